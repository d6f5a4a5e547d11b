// 3×3 transposed convolution: the gradient of conv2d with respect to its input, which is both the
// decoder's layer and the encoder's way back.
#pragma once

#include "conv2d.h"

namespace oddity::kernels {

/// y [N, H, W, C] from x [N, H/s, W/s, K] and w [K, 3, 3, C] (for Keras' transposed layers K are
/// the input and C the output channels), and the epilogue with bias [C] (null where there is none).
/// An output depends on its own image alone: its bits do not change with N. Pointers are 16-byte
/// aligned.
void conv2d_transpose(cudaStream_t stream, const Conv2dShape& shape, const float* x, const float* w,
                      const float* bias, Epilogue epilogue, float* y);

}  // namespace oddity::kernels
