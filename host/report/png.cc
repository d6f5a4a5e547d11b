#include "report/png.h"

#include <spng.h>

#include <cstdlib>
#include <memory>

#include "core/error.h"
#include "files/atomic_file.h"

namespace oddity {
namespace {

void check(int result) {
  if (result != SPNG_OK) throw Error("cannot make a PNG: {}", spng_strerror(result));
}

}  // namespace

Picture::Picture(uint32_t picture_width, uint32_t picture_height, uint32_t picture_channels,
                 uint8_t background)
    : width(picture_width),
      height(picture_height),
      channels(picture_channels),
      pixels(size_t{width} * height * channels, background) {}

std::string encode_png(const Picture& picture) {
  const std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)> context(spng_ctx_new(SPNG_CTX_ENCODER),
                                                                    &spng_ctx_free);
  if (!context) throw std::bad_alloc();
  spng_ihdr header{};
  header.width = picture.width;
  header.height = picture.height;
  header.bit_depth = 8;
  header.color_type = picture.channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR;
  check(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1));
  check(spng_set_ihdr(context.get(), &header));
  check(spng_encode_image(context.get(), picture.pixels.data(), picture.pixels.size(), SPNG_FMT_PNG,
                          SPNG_ENCODE_FINALIZE));
  int result = SPNG_OK;
  size_t size = 0;
  const std::unique_ptr<void, decltype(&std::free)> bytes(
      spng_get_png_buffer(context.get(), &size, &result), &std::free);
  check(result);
  return {static_cast<const char*>(bytes.get()), size};
}

void write_png(const std::filesystem::path& path, const Picture& picture) {
  write_file(path, encode_png(picture));
}

}  // namespace oddity
