// JPEG (ITU-T T.81), through libjpeg-turbo.
#pragma once

#include <string_view>

#include "images/decoding.h"
#include "images/image_file.h"

namespace oddity {

/// Decodes a file that begins as a JPEG does; what stands in image_file.h for ImageDecoder::decode,
/// but for its orientation, which it returns. Throws ImageError.
Orientation decode_jpeg(std::string_view file, const DecodeHints& hints, Image& image);

}  // namespace oddity
