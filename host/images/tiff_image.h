// TIFF 6.0 and BigTIFF, through libtiff.
#pragma once

#include <string_view>
#include <vector>

#include "images/decoding.h"
#include "images/image_file.h"

namespace oddity {

/// Decodes a file that begins as a TIFF does; what stands in image_file.h for ImageDecoder::decode,
/// but for its orientation, which it returns. `scratch` lends memory. Throws ImageError.
Orientation decode_tiff(std::string_view file, Image& image, std::vector<std::byte>& scratch);

}  // namespace oddity
