// PNG (ISO/IEC 15948), through libspng.
#pragma once

#include <string>
#include <string_view>

#include "images/decoding.h"
#include "images/image_file.h"

namespace oddity {

/// Decodes a file that begins as a PNG does; what stands in image_file.h for ImageDecoder::decode,
/// but for its orientation, which it returns. `scratch` lends memory. Throws ImageError.
Orientation decode_png(std::string_view file, Image& image, std::string& scratch);

}  // namespace oddity
