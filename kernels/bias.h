// The bias of a layer: one number a channel, the last axis.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "conv2d.h"

namespace oddity::kernels {

/// y [rows, channels] = epilogue of x and bias [channels], for layers computed by a library that
/// refused to fuse it. y may be x.
void bias_epilogue(cudaStream_t stream, int64_t rows, int64_t channels, const float* x,
                   const float* bias, Epilogue epilogue, float* y);

/// Floats of workspace that bias_gradient needs; may be 0.
int64_t bias_gradient_workspace(int64_t rows, int64_t channels);

/// db [channels] = sum over the rows of dy [rows, channels], in a fixed order.
void bias_gradient(cudaStream_t stream, int64_t rows, int64_t channels, const float* dy, float* db,
                   float* workspace);

}  // namespace oddity::kernels
