// The last transposed convolution with all behind it (stage.h): of a training step sigmoid, errors
// and their gradient; of inference what is wanted of the reconstructions.
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

/// In inference, of the same layer: the errors of the images [N], the mean of (x − y)² of each.
/// What a block adds to them goes to parts [N · last_stage_blocks · C] where an image has several.
/// An image's bits do not depend on N.
void last_stage_errors(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                       const float* w, const float* bias, const PixelBatch& images, float* parts,
                       float* errors);

/// The reconstructions y [N, H, W, C] in [0,1].
void last_stage_reconstructions(cudaStream_t stream, const Conv2dShape& shape,
                                const NormalisedMap& x, const float* w, const float* bias,
                                float* y);

/// (x − y)² [N, H, W, C].
void last_stage_differences(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                            const float* w, const float* bias, const PixelBatch& images,
                            float* differences);

}  // namespace oddity::kernels
