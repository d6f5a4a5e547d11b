// NumPy arrays as images and as columns of integers, whatever file they lie in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/byte_source.h"
#include "data/pixels.h"
#include "files/npy.h"

namespace oddity {

/// Reads the header of an NPY file. Throws Error naming the source.
NpyHeader read_npy_header(ByteSource& source);

/// Reads the numbers of `array`, which are all that is left in `source`, as images: uint8, uint16,
/// float32 or float64 (→ float32), [N,H,W] or [N,H,W,C]. Throws Error naming the source.
ImageArray read_array_images(ByteSource& source, const NpyHeader& array);

/// Reads the numbers of `array`, which are all that is left in `source`: integers [N] of any type.
std::vector<int64_t> read_array_integers(ByteSource& source, const NpyHeader& array);

/// The NPY header of images [N,H,W,C] in their own type; their pixels follow it.
std::string image_npy_header(const ImageArray& images);
std::string_view pixel_bytes(const ImageArray& images);

}  // namespace oddity
