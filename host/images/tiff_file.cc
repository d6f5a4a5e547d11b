#include "images/tiff_file.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

#include "core/text.h"
#include "images/image_file.h"

namespace oddity {

TiffFile::TiffFile(std::string_view bytes) : memory_{bytes}, handle_(nullptr, &TIFFClose) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
      TIFFOpenOptionsAlloc(), &TIFFOpenOptionsFree);
  if (!options) throw std::bad_alloc();
  // Nothing that libtiff keeps of a file is larger than the file.
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), tmsize_t{kMaxImageFile});
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, this);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, this);
  const auto write = [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; };
  const auto close = [](thandle_t) { return 0; };
  const auto file_size = [](thandle_t handle) -> toff_t {
    return static_cast<Memory*>(handle)->bytes.size();
  };
  // Not mapped: whatever libtiff reads then passes through read().
  handle_.reset(TIFFClientOpenExt("", "rm", &memory_, read, write, seek, close, file_size, nullptr,
                                  nullptr, options.get()));
  if (!handle_) fail();
}

tmsize_t TiffFile::read(thandle_t handle, void* out, tmsize_t size) {
  auto& memory = *static_cast<Memory*>(handle);
  const uint64_t left =
      memory.bytes.size() - std::min<uint64_t>(memory.position, memory.bytes.size());
  const uint64_t count = std::min(left, static_cast<uint64_t>(std::max<tmsize_t>(size, 0)));
  if (count < static_cast<uint64_t>(size)) memory.past_end = true;
  if (count > 0) std::memcpy(out, memory.bytes.data() + memory.position, count);
  memory.position += count;
  return static_cast<tmsize_t>(count);
}

toff_t TiffFile::seek(thandle_t handle, toff_t offset, int whence) {
  auto& memory = *static_cast<Memory*>(handle);
  // Offsets are unsigned and may wrap: a negative one is a large one.
  if (whence == SEEK_CUR) offset += memory.position;
  if (whence == SEEK_END) offset += memory.bytes.size();
  memory.position = offset;
  return offset;
}

int TiffFile::on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  auto& file = *static_cast<TiffFile*>(user);
  if (!file.failed_) std::vsnprintf(file.message_, sizeof file.message_, format, arguments);
  file.failed_ = true;
  return 1;  // handled: nothing is printed
}

int TiffFile::on_warning(TIFF* handle, void* user, const char* module, const char* format,
                         va_list arguments) {
  // Most warn of fields that nobody asks for. libjpeg's say that what it gives is made up.
  const bool damaged = module != nullptr && std::string_view(module) == "JPEGLib";
  return damaged ? on_error(handle, user, module, format, arguments) : 1;
}

void TiffFile::check() const {
  if (failed_) fail();
}

void TiffFile::fail() const {
  std::string_view words = message_;
  // libtiff begins some with the name of the file, which has none.
  while (words.starts_with(": ")) words.remove_prefix(2);
  const std::string message = printable(words);
  if (memory_.past_end) {
    throw ImageError(ImageStatus::truncated, "TIFF names bytes past its {}: {}",
                     memory_.bytes.size(), message);
  }
  throw ImageError(ImageStatus::unreadable, "damaged TIFF: {}",
                   message.empty() ? "libtiff refuses it" : message);
}

}  // namespace oddity
