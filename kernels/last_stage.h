// The end of the forward pass and the beginning of the backward pass of a training step in few
// launches (stage.h): the last transposed convolution, sigmoid, errors and their gradient.
#pragma once

#include "stage.h"

namespace oddity::kernels {

/// Blocks an image of the last stage.
int last_stage_blocks(const Conv2dShape& shape);

/// What it leaves, beside the gradient of the logits dx [N, H, W, C] (loss.h:
/// sigmoid_mse_backward): of each block and channel the sum of the squared errors and that of dx,
/// [N · blocks, C] each; and the step as it is counted now, for the kernel that moves the counter.
struct LastOutput {
  float* dx = nullptr;
  float* squares = nullptr;
  float* bias_parts = nullptr;
  int64_t* step = nullptr;
};

/// The logits of conv2d_transpose of x [N, H, W, K], stride 1, with w [K, 3, 3, C] and bias [C],
/// against the images of the batch.
void last_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                const float* w, const float* bias, const PixelBatch& images,
                const LastOutput& output);

}  // namespace oddity::kernels
