// NumPy arrays as images and as columns of integers, whatever file they lie in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/byte_source.h"
#include "data/pixels.h"
#include "files/npy.h"

namespace oddity {

/// Whether a file that starts so is NPY.
bool is_npy(std::string_view start);

/// Reads the header of an NPY file. Throws Error naming the source.
NpyHeader read_npy_header(ByteSource& source);

/// `array` as images: uint8, uint16, float32 or float64 (→ float32), [N,H,W] or [N,H,W,C]. Throws
/// Error beginning with `name` for any other array.
ImageArrayHeader image_array_header(const NpyHeader& array, std::string_view name);

/// float64 → float32, in place: the numbers then fill the front half of `bytes`.
void narrow_to_float32(std::span<std::byte> bytes);

/// Reads the numbers of `array`, which are all that is left in `source`, as images. Throws Error
/// naming the source, as image_array_header does.
ImageArray read_array_images(ByteSource& source, const NpyHeader& array);

/// Throws Error beginning with `name` unless `array` is integers [N] of any type.
void check_integers(const NpyHeader& array, std::string_view name);

/// The number at `bytes`, of the type of `array`, which check_integers passed. Throws Error
/// beginning with `name` where an int64 does not hold it.
int64_t integer_at(const std::byte* bytes, const NpyHeader& array, std::string_view name);

/// Reads the numbers of `array`, which are all that is left in `source`: integers [N] of any type.
std::vector<int64_t> read_array_integers(ByteSource& source, const NpyHeader& array);

/// The NPY header of images [N,H,W,C] in their own type; their pixels follow it.
std::string image_npy_header(const ImageArray& images);
std::string_view pixel_bytes(const ImageArray& images);

}  // namespace oddity
