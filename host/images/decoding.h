// What the decoders of all formats share.
#pragma once

#include <cstdint>
#include <vector>

#include "core/shape.h"
#include "images/image_file.h"

namespace oddity {

/// How an image lies in its file (EXIF and TIFF 6.0, tag 274): 1 upright, 2 mirrored left to right,
/// 3 turned by 180°, 4 mirrored top to bottom, 5 transposed, 6 to be turned by 90° clockwise,
/// 7 transposed along the other diagonal, 8 to be turned by 90° counterclockwise.
using Orientation = int;
inline constexpr Orientation kUpright = 1;

/// The shape that a header declares. Throws ImageError where it holds nothing, or more than
/// kMaxImageNumbers.
ImageShape checked_shape(int64_t width, int64_t height, int64_t channels);

/// Throws ImageError (truncated) where `needed` bytes of pixels cannot come out of `packed` bytes,
/// each of which makes no more than `ratio` of them. Before memory is taken for them.
void check_packed_size(const ImageShape& shape, uint64_t needed, uint64_t packed, uint64_t ratio);

/// Keeps the first `kept` channels of [H,W,C]; the last is alpha. Throws ImageError (unsupported)
/// unless it is opaque throughout.
void drop_opaque_alpha(Image& image, int64_t kept);

/// Turns `image` upright; anything but 2 … 8 leaves it as it is. `scratch` lends memory.
void turn_upright(Image& image, Orientation orientation, std::vector<std::byte>& scratch);

}  // namespace oddity
