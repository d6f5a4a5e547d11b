// PNG, JPEG and TIFF files, decoded whole and with hints, and preprocessed.
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "images/image_file.h"
#include "images/preprocessing.h"

namespace {

void decode(std::string_view file) {
  const oddity::Preprocessing preprocessing{
      .resize = oddity::ImageSize{13, 7}, .crop = true, .gray = true};
  oddity::ImageDecoder decoder;
  oddity::Preprocessor preprocessor(preprocessing);
  oddity::Image image;
  for (const bool hinted : {false, true}) {
    try {
      decoder.decode(file, hinted ? oddity::decode_hints(preprocessing) : oddity::DecodeHints{},
                     image);
      if (image.pixels.size() !=
          static_cast<size_t>(image.shape.size()) * oddity::size_of(image.type)) {
        std::abort();
      }
      preprocessor.apply(image);
      if (image.shape != oddity::ImageShape{7, 13, 1}) std::abort();
    } catch (const oddity::ImageError&) {
    }
  }
}

/// A PNG with the checksums that its chunks must have, which no fuzzer guesses.
std::string with_checksums(std::string png) {
  for (size_t at = 8; png.size() - at >= 12;) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(png[at + i]); };
    const uint32_t length = uint32_t{byte(0)} << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
    if (length > png.size() - at - 12) break;
    const auto* checked = reinterpret_cast<const Bytef*>(png.data() + at + 4);
    const uLong checksum = ::crc32(0, checked, length + 4);
    at += 8 + length;
    for (const int shift : {24, 16, 8, 0}) png[at++] = static_cast<char>(checksum >> shift);
  }
  return png;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  decode(file);
  if (file.size() >= 8 && oddity::image_format(file) == oddity::ImageFormat::png) {
    decode(with_checksums(std::string(file)));
  }
  return 0;
}
