// Where everything lies that a fused training step keeps: one piece of device memory, laid out
// before there is any.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/cuda/plan.h"
#include "last_stage.h"
#include "stage_dense.h"

namespace oddity::cuda {

/// A stage's map and what belongs to it. Of the last stage, which is not normalised, only the
/// gradient (of the logits) and the weights'.
struct FusedStage {
  kernels::Conv2dShape shape;
  int64_t rows = 0;  // of the output; its columns are the channels
  int channels = 0;
  float* activation = nullptr;
  float* gradient = nullptr;    // of the normalised activation
  kernels::Moments moments;     // of the activation
  float* statistics = nullptr;  // made of these
  kernels::GradientParts sums;  // of the gradient
  int slices = 0;
  float* weight_parts = nullptr;  // [slices, filters, 3, 3, channels]

  int64_t numbers() const { return rows * channels; }
  int64_t weights() const { return shape.filters * 9 * shape.channels; }
};

struct FusedMemory {
  /// Laid out from `base` on (256-byte aligned; null to learn the size).
  FusedMemory(const Plan& plan, int64_t images, std::byte* base);

  std::vector<FusedStage> stages;
  kernels::DenseShape dense1, dense2;
  float* latent = nullptr;           // [images, latent]
  float* hidden = nullptr;           // [images, features]
  float* latent_gradient = nullptr;  // [images, latent]
  float* hidden_gradient = nullptr;  // [images, features]
  float* dense1_gradient = nullptr;  // [features, latent]
  float* dense2_gradient = nullptr;  // [latent, features]
  int64_t last_blocks = 0;           // of the last stage
  kernels::LastOutput last;          // [last_blocks, channels]
  int64_t bytes = 0;
};

}  // namespace oddity::cuda
