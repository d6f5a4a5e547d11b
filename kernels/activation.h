// LeakyReLU. Its forward pass is usually an epilogue of the layer before (conv2d.h).
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace oddity::kernels {

/// y [n] = x > 0 ? x : slope · x. y may be x.
void leaky_relu(cudaStream_t stream, int64_t n, const float* x, float slope, float* y);

/// dx [n] = y > 0 ? dy : slope · dy, y the output of the forward pass: with a slope above 0 it has
/// the sign of the input. dx may be dy.
void leaky_relu_backward(cudaStream_t stream, int64_t n, const float* y, const float* dy,
                         float slope, float* dx);

}  // namespace oddity::kernels
