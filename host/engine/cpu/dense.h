// The dense layers in both directions: feature maps ↔ latent vector. Their weights are packed alike
// (Plan::dense1), so that the way back of each is the other's way forward.
#pragma once

#include "engine/cpu/plan.h"

namespace oddity::cpu {

/// Floats that project() needs for `images` images.
int64_t project_scratch(const Plan& plan, int64_t images);

/// latent [images, latent()] = bias + features [images, features] · weights; bias may be null. The
/// padding of `latent` is left alone. No result depends on `images`.
void project(const Plan& plan, const Kernels& kernels, const float* features, int64_t images,
             const float* weights, const float* bias, float* scratch, float* latent);

/// out [images, grid] = bias + latent [images, latent()] · weights; bias may be null.
void expand(const Plan& plan, const Kernels& kernels, const float* latent, int64_t images,
            const float* weights, const float* bias, const Grid& grid, float* out);

/// The gradient of a pixel's weights of a layer [plan.pixel_weights()]: of its two sides,
/// latent [images, latent()] and features [images, features], one is its input and the other the
/// gradient of its output.
void dense_gradient(const Plan& plan, const Kernels& kernels, const float* latent,
                    const float* features, int64_t images, int64_t pixel, float* gradient);

}  // namespace oddity::cpu
