// PNG as most are: 8 bits, grey or RGB with or without alpha, not interlaced. For small images the
// general decoder spends most of its time on one row at a time; this one unpacks all at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "images/image_file.h"

struct libdeflate_decompressor;

namespace oddity {

/// Decodes the pixels of plain PNG; one a thread.
class PlainPng {
 public:
  PlainPng();

  /// `packed` are the bytes of all IDAT chunks, whose checksums are right; the image is of
  /// `width` x `height` pixels of `channels` bytes. False where anything about them is not just as
  /// it should be: the general decoder then finds out what, and `image` is undefined.
  bool decode(std::string_view packed, int64_t width, int64_t height, int64_t channels,
              Image& image);

 private:
  struct Free {
    void operator()(libdeflate_decompressor* decompressor) const noexcept;
  };
  std::unique_ptr<libdeflate_decompressor, Free> decompressor_;
  std::vector<uint8_t> filtered_;
};

}  // namespace oddity
