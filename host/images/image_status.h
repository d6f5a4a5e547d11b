// What became of one image of a set: a bad one is a row of the table, not the end of a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace oddity {

/// The order is part of files (journal, cache): new ones go to the end.
enum class ImageStatus : uint8_t {
  ok,
  not_an_image,  // neither PNG, JPEG nor TIFF, whatever its name says
  truncated,     // ends before its image does
  wrong_size,    // another size or number of channels than the model takes
  unsupported,   // an image, but of a kind that is not read
  too_large,     // declares or unpacks to more than is read
  not_finite,    // holds a NaN, an infinity or a value outside [0,1], or has such a score
  unreadable,    // damaged, or the system refuses to read it
  vanished,      // was listed, but is not there any more
};
inline constexpr size_t kImageStatuses = 9;

/// "ok", "not-an-image" …: what tables hold.
std::string_view name_of(ImageStatus status);

/// Thrown for one image that cannot be used; the message is the reason, one line, without the
/// image's name.
class ImageError : public Error {
 public:
  template <typename... Args>
  explicit ImageError(ImageStatus status, fmt::format_string<Args...> format, Args&&... args)
      : Error(format, std::forward<Args>(args)...), status_(status) {}
  ImageStatus status() const { return status_; }

 private:
  ImageStatus status_;
};

}  // namespace oddity
