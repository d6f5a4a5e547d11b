#include "report/png.h"

#include <spng.h>

#include <algorithm>
#include <cmath>
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

uint8_t to_byte(float value) {
  return value > 0 ? static_cast<uint8_t>(std::min(value, 1.0F) * 255.0F) : uint8_t{0};
}

Picture picture_of(std::span<const float> image, const ImageShape& shape) {
  const uint32_t shown = shape.channels == 3 ? 3 : 1;
  Picture picture(static_cast<uint32_t>(shape.width), static_cast<uint32_t>(shape.height), shown);
  const auto channels = static_cast<size_t>(shape.channels);
  for (size_t i = 0; i < picture.pixels.size(); ++i) {
    picture.pixels[i] = to_byte(image[i / shown * channels + i % shown]);
  }
  return picture;
}

Picture shrunk(const Picture& picture, uint32_t side) {
  const uint32_t k = (std::max(picture.width, picture.height) + side - 1) / side;
  if (k <= 1) return picture;
  Picture result((picture.width + k - 1) / k, (picture.height + k - 1) / k, picture.channels);
  for (uint32_t y = 0; y < result.height; ++y) {
    const uint32_t bottom = std::min(picture.height, (y + 1) * k);
    for (uint32_t x = 0; x < result.width; ++x) {
      const uint32_t right = std::min(picture.width, (x + 1) * k);
      const double count = static_cast<double>(bottom - y * k) * (right - x * k);
      for (uint32_t c = 0; c < picture.channels; ++c) {
        uint64_t sum = 0;
        for (uint32_t v = y * k; v < bottom; ++v) {
          for (uint32_t u = x * k; u < right; ++u) {
            sum += picture.pixels[(size_t{v} * picture.width + u) * picture.channels + c];
          }
        }
        result.at(x, y)[c] = static_cast<uint8_t>(std::lround(static_cast<double>(sum) / count));
      }
    }
  }
  return result;
}

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
