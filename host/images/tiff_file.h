// A TIFF in memory, opened by libtiff, which prints nothing.
#pragma once

#include <tiffio.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace oddity {

/// Owns libtiff's handle. Bytes stay the caller's and must live as long.
class TiffFile {
 public:
  /// Reads the first directory. Throws ImageError (truncated, unreadable).
  explicit TiffFile(std::string_view bytes);
  TiffFile(const TiffFile&) = delete;
  TiffFile& operator=(const TiffFile&) = delete;

  TIFF* handle() const { return handle_.get(); }
  size_t size() const { return memory_.bytes.size(); }

  /// The value of a field of one number, or libtiff's default; 0 where there is neither.
  uint16_t u16(uint32_t tag) const { return field<uint16_t>(tag); }
  uint32_t u32(uint32_t tag) const { return field<uint32_t>(tag); }

  /// Throws ImageError with libtiff's message where it has reported an error, or a warning that
  /// pixels are not those that were stored.
  void check() const;
  /// The same, where a call has failed and libtiff has not said why.
  [[noreturn]] void fail() const;

 private:
  struct Memory {
    std::string_view bytes;
    uint64_t position = 0;
    bool past_end = false;  // something was asked for that lies past the end
  };

  template <typename T>
  T field(uint32_t tag) const {
    T value = 0;
    TIFFGetFieldDefaulted(handle_.get(), tag, &value);
    return value;
  }

  static tmsize_t read(thandle_t handle, void* out, tmsize_t size);
  static toff_t seek(thandle_t handle, toff_t offset, int whence);
  static int on_error(TIFF* file, void* user, const char* module, const char* format,
                      va_list arguments);
  static int on_warning(TIFF* file, void* user, const char* module, const char* format,
                        va_list arguments);

  Memory memory_;
  char message_[256] = "";  // the first error
  bool failed_ = false;
  std::unique_ptr<TIFF, decltype(&TIFFClose)> handle_;  // the last member: libtiff calls the others
};

}  // namespace oddity
