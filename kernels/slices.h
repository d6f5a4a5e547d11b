// Sums that were cut into slices, so that more blocks could work on them, put together again.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace oddity::kernels {

/// y [rows, columns] = Σ over slices of partials [slices, rows, columns], plus bias [columns] where
/// that is not null. The order of a sum depends on `slices` alone.
void sum_slices(cudaStream_t stream, int64_t slices, int64_t rows, int64_t columns,
                const float* partials, const float* bias, float* y);

}  // namespace oddity::kernels
