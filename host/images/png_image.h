// PNG (ISO/IEC 15948): plain ones by plain_png, all others through libspng.
#pragma once

#include <string>
#include <string_view>

#include "images/decoding.h"
#include "images/image_file.h"
#include "images/plain_png.h"

namespace oddity {

/// What decoding one PNG leaves for the next: memory.
struct PngMemory {
  std::string chunks;  // what is left of a file without the chunks that nobody needs
  std::string packed;  // the compressed pixels of several chunks, as one
  PlainPng plain;
};

/// Decodes a file that begins as a PNG does; what stands in image_file.h for ImageDecoder::decode,
/// but for its orientation, which it returns. Throws ImageError.
Orientation decode_png(std::string_view file, Image& image, PngMemory& memory);

}  // namespace oddity
