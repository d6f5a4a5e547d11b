// The dense layers between encoder and decoder as parts of a training step in few launches
// (stage.h). The decoder's own is dense_whole, its gradient of the data dense_data_gradient
// (dense.h).
#pragma once

#include "dense.h"
#include "stage.h"

namespace oddity::kernels {

/// y [images, outputs] = x·w + bias, x [images, inputs] the normalised map of the encoder.
void dense_stage(cudaStream_t stream, const DenseShape& shape, const NormalisedMap& x,
                 const float* w, const float* bias, float* y);

/// Blocks of rows that the gradient's sums are left in.
int dense_stage_blocks(const DenseShape& shape, int channels);

/// dx [images, inputs] = dy [images, outputs] · wᵀ, the gradient of a map of so many channels.
void dense_stage_gradient(cudaStream_t stream, const DenseShape& shape, int channels,
                          const float* dy, const float* w, const GradientOutput& dx);

/// A layer whose dw [inputs, outputs] = xᵀ·dy is wanted.
struct DenseWeights {
  DenseShape shape;
  NormalisedMap x;
  const float* dy = nullptr;
  float* dw = nullptr;
};

/// Those of two layers, as neither keeps a GPU busy. Each is summed over the images in order.
void dense_stage_weight_gradients(cudaStream_t stream, const DenseWeights& first,
                                  const DenseWeights& second);

}  // namespace oddity::kernels
