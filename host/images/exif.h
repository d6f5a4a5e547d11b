// How a camera was held, from the EXIF data of a JPEG or a PNG; nothing else of it is read.
#pragma once

#include <string_view>

#include "images/decoding.h"

namespace oddity {

/// The orientation in `exif`, a TIFF structure ("II*\0…" or "MM\0*…", EXIF 2.32 4.6). kUpright
/// where it has none or is damaged: it says nothing about the pixels then. Throws nothing.
Orientation exif_orientation(std::string_view exif);

}  // namespace oddity
