// Where the bytes of a data set come from, read once from front to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

namespace oddity {

/// A source ends before what its header declares.
class TruncatedError : public Error {
  using Error::Error;
};

/// A file, what a gzip file unpacks to, a member of a zip, or memory.
class ByteSource {
 public:
  explicit ByteSource(std::string name) : name_(std::move(name)) {}
  virtual ~ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// What messages call it; printable.
  const std::string& name() const { return name_; }
  /// Up to `size` bytes; 0 only at the end. Throws Error where the source is damaged.
  virtual size_t read(void* out, size_t size) = 0;
  /// Passes over up to `size` bytes, fewer only at the end; returns how many. Reads them, except
  /// where it can seek. Throws Error as read does.
  virtual uint64_t skip(uint64_t size);
  /// No more bytes than this can come, from start to end: sizes that a header declares are held
  /// against it before memory is taken.
  virtual uint64_t limit() const = 0;

 private:
  std::string name_;
};

/// Deflate, in gzip and zip files, makes no more than this of one byte (zlib's technical notes).
inline constexpr uint64_t kDeflateRatio = 1032;

/// Opens a file. Throws Error where it is missing, a folder or anything else that is not a file.
std::unique_ptr<ByteSource> open_file(const std::filesystem::path& path);

/// Whether a file that starts so is gzip.
bool is_gzip(std::string_view start);

/// Unpacks a gzip file (RFC 1952, of one or more members), verifying every checksum.
std::unique_ptr<ByteSource> unpack_gzip(std::unique_ptr<ByteSource> packed);

/// Bytes that somebody else owns.
std::unique_ptr<ByteSource> view_bytes(std::string_view bytes, std::string name);

/// `bytes` before `rest`: what was read to recognise the type.
std::unique_ptr<ByteSource> prepend(std::string bytes, std::unique_ptr<ByteSource> rest);

/// Exactly `size` bytes, for `what` ("the header"). Memory grows with what arrives, so that a small
/// file which declares much cannot take much. Throws Error where the source ends before.
std::vector<std::byte> read_exactly(ByteSource& source, uint64_t size, std::string_view what);

/// Up to `size` bytes, fewer only at the end.
std::string read_up_to(ByteSource& source, size_t size);

/// Throws Error where bytes follow.
void expect_end(ByteSource& source);

}  // namespace oddity
