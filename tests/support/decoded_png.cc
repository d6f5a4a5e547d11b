#include "support/decoded_png.h"

#include <spng.h>

#include <memory>
#include <stdexcept>

#include "files/atomic_file.h"

namespace oddity::test {
namespace {

void check(int result) {
  if (result != SPNG_OK) throw std::runtime_error(spng_strerror(result));
}

}  // namespace

DecodedPng decode_png(const std::string& bytes) {
  const std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)> context(spng_ctx_new(0),
                                                                    &spng_ctx_free);
  check(spng_set_crc_action(context.get(), SPNG_CRC_ERROR, SPNG_CRC_ERROR));
  check(spng_set_png_buffer(context.get(), bytes.data(), bytes.size()));
  spng_ihdr header{};
  check(spng_get_ihdr(context.get(), &header));
  size_t size = 0;
  check(spng_decoded_image_size(context.get(), SPNG_FMT_PNG, &size));
  DecodedPng png{header.width, header.height,
                 header.color_type == SPNG_COLOR_TYPE_GRAYSCALE ? 1u : 3u,
                 std::vector<uint8_t>(size)};
  if (header.bit_depth != 8 || size != size_t{png.width} * png.height * png.channels) {
    throw std::runtime_error("neither 8-bit grey nor RGB");
  }
  check(spng_decode_image(context.get(), png.pixels.data(), size, SPNG_FMT_PNG, 0));
  return png;
}

DecodedPng read_png(const std::filesystem::path& path) {
  return decode_png(read_file(path, size_t{1} << 28));
}

std::vector<std::string> chunk_types(const std::string& png) {
  std::vector<std::string> types;
  for (size_t at = 8; at + 12 <= png.size();) {
    uint32_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<uint8_t>(png[at + i]);
    types.push_back(png.substr(at + 4, 4));
    at += 12 + size_t{length};
  }
  return types;
}

}  // namespace oddity::test
