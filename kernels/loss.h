// Sigmoid, the mean squared error of each image, and its gradient, in one pass.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace oddity::kernels {

/// With y = 1 / (1 + exp(−logits)) for logits [images, size], against images x [images, size] in
/// [0,1]: errors [images] = mean over an image's numbers of (x − y)². A sum's order depends on size
/// alone.
void sigmoid_mse(cudaStream_t stream, int64_t images, int64_t size, const float* logits,
                 const float* x, float* errors);

/// The same, and the gradient of the mean over the images of errors:
/// logit_gradient [images, size] = 2 / (images · size) · (y − x) · y · (1 − y). It may be logits.
void sigmoid_mse_backward(cudaStream_t stream, int64_t images, int64_t size, const float* logits,
                          const float* x, float* errors, float* logit_gradient);

/// difference [n] = (a − b)². It may be a or b.
void squared_difference(cudaStream_t stream, int64_t n, const float* a, const float* b,
                        float* difference);

/// y [n] = 1 / (1 + exp(−x)), in [0,1]: large x round to the ends. y may be x.
void sigmoid(cudaStream_t stream, int64_t n, const float* x, float* y);

}  // namespace oddity::kernels
