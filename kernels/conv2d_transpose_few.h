// Transposed convolution to few channels: the decoder's last layer.
#pragma once

#include "conv2d.h"

namespace oddity::kernels {

/// The most channels for which it is worth its while.
inline constexpr int64_t kFewChannels = 4;

/// conv2d_transpose (see there) of stride 1.
void conv2d_transpose_few(cudaStream_t stream, const Conv2dShape& shape, const float* x,
                          const float* w, const float* bias, Epilogue epilogue, float* y);

}  // namespace oddity::kernels
