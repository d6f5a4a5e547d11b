// How much there is to see in images: their total variation (host/data/variation.h).
#pragma once

#include "images.h"

namespace oddity::kernels {

/// Added to every sum, so that it is never 0.
inline constexpr float kLeastVariation = 1e-3f;

/// Of each image [count, H, W, C] its total variation to the power .75.
void variations(cudaStream_t stream, Pixels type, const void* images, int64_t count, int64_t height,
                int64_t width, int64_t channels, float* variations);

}  // namespace oddity::kernels
