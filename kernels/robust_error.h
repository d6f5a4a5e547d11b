// The robust score of images (host/model/score_rule.h).
#pragma once

#include "images.h"

namespace oddity::kernels {

/// errors [images] = mean b² / max(TV, floor) of the batch x [images, H, W, C] against the
/// reconstructions y [images, H, W, C]: b is x − y smoothed by [1 2 1]ᵀ[1 2 1]/16 in each channel
/// with zeros around, TV the total variation of x (host/data/variation.h). An image's bits do not
/// depend on how many there are.
void robust_errors(cudaStream_t stream, int64_t images, int64_t height, int64_t width,
                   int64_t channels, const float* y, const PixelBatch& x, float floor,
                   float* errors);

}  // namespace oddity::kernels
