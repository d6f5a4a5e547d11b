// Pictures that put originals beside their reconstructions.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "data/pixels.h"

namespace oddity {

/// Writes a PNG of the reference's visualize_predictions: one row an image, the original left, its
/// reconstruction right, pixels as (value · 255) truncated to uint8; thin light lines between.
/// `reconstructions` [N, H, W, C] in [0,1]. One channel is grey, three are RGB; any other number
/// shows its first. Small images are enlarged by a whole factor so that a person can see them. More
/// rows than fit a screen go on in further columns, top to bottom, then left to right. Of very many
/// images (or very large ones) the first that fit a picture of bounded size are shown, at least
/// one; of none a blank picture, so that none of an earlier run is left to mislead. Returns how
/// many images are shown. The same input gives the same bytes. Throws Error where the
/// reconstructions do not match the images or the file cannot be written.
size_t write_montage(const std::filesystem::path& path, const ImageView& originals,
                     std::span<const float> reconstructions);

}  // namespace oddity
