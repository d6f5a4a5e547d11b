// How much there is to see in an image.
#pragma once

#include <span>

#include "core/shape.h"
#include "data/pixels.h"

namespace oddity {

/// Added to every total variation, so that it is never 0.
inline constexpr double kLeastVariation = 1e-3;

/// The anisotropic total variation of an image x [H, W, C] in [0,1], summed over the channels:
/// Σ|x(row, column + 1) − x(row, column)| + Σ|x(row + 1, column) − x(row, column)| +
/// kLeastVariation.
double total_variation(std::span<const float> x, const ImageShape& shape);

/// The median of the images' total variations; 0 of none.
double median_variation(const ImageView& images);

}  // namespace oddity
