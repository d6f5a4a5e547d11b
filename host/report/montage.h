// Pictures that put originals beside their reconstructions.
#pragma once

#include <filesystem>
#include <span>

#include "data/pixels.h"

namespace oddity {

/// Writes a PNG of the reference's visualize_predictions: one row an image, the original left, its
/// reconstruction right, pixels as (value · 255) truncated to uint8. `reconstructions` [N, H, W, C] in
/// [0,1]. One channel is grey, three are RGB; any other number shows its first. Small images are
/// enlarged by a whole factor so that a person can see them; at most `max_rows` rows.
/// The same input gives the same bytes.
void write_montage(const std::filesystem::path& path, const ImageView& originals,
                   std::span<const float> reconstructions);

}  // namespace oddity
