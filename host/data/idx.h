// IDX, the format of MNIST: big-endian extents, then uint8 (https://yann.lecun.com/exdb/mnist).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/byte_source.h"
#include "data/pixels.h"

namespace oddity {

/// Whether a file that starts so is IDX, of images, labels or anything else.
bool is_idx(std::string_view start);

/// Reads the header of images, up to the first pixel. Throws Error naming the source.
ImageArrayHeader read_idx_image_header(ByteSource& source);

/// Reads images, uint8 [N,H,W] or [N,H,W,C]. Throws Error naming the source.
ImageArray read_idx_images(ByteSource& source);

/// Reads labels, uint8 [N]. Throws Error naming the source.
std::vector<int32_t> read_idx_labels(ByteSource& source);

}  // namespace oddity
