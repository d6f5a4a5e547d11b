// The dense layers in both directions: feature maps → latent vector → feature maps.
#pragma once

#include "engine/cpu/plan.h"

namespace oddity::cpu {

/// Floats that project() needs for `images` images.
int64_t project_scratch(const Plan& plan, int64_t images);

/// latent [images, latent()] = bias + features [images, features] · weights, packed as dense1; bias
/// may be null. Long sums are made of short ones, always the same: no result depends on `images`.
void project(const Plan& plan, const Kernels& kernels, const float* features, int64_t images,
             const float* weights, const float* bias, float* scratch, float* latent);

/// out [images, grid] = bias + latent [images, latent()] · weights, packed as dense2; bias may be
/// null.
void expand(const Plan& plan, const Kernels& kernels, const float* latent, int64_t images,
            const float* weights, const float* bias, const Grid& grid, float* out);

/// The gradients of one pixel's share of the dense layers, written into `gradient` (flat
/// parameters): features and their gradients [images, features], latent vectors and their gradients
/// [images, latent()]. Pixel 0 also does the bias of the latent vector.
struct DenseGradients {
  const float *features, *latent;
  const float* latent_gradient;   // of dense1's output
  const float* feature_gradient;  // of dense2's output
  int64_t images;
};
void dense_gradients(const Plan& plan, const Kernels& kernels, const DenseGradients& d,
                     int64_t pixel, float* gradient);

}  // namespace oddity::cpu
