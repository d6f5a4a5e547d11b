// Exact order statistics of many floats by radix selection: 11 + 11 + 10 bits of an
// order-preserving key, integer histograms, 64-bit counts. Integer sums do not depend on their
// order: the result is the same every time.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace oddity::kernels {

/// Two order statistics, in device memory.
struct Selection {
  float value[2];      // the ranks' values; -0 counts as +0
  uint64_t nan_count;  // where not 0, value means nothing
  uint64_t first_nan;  // position of the first NaN
};

/// Bytes of workspace, 16-byte aligned.
int64_t select_workspace();

/// The order statistics of ranks lower ≤ upper (from 0) of x [n], into *selection.
/// 0 ≤ lower ≤ upper < n < 2⁶².
void select(cudaStream_t stream, const float* x, uint64_t n, uint64_t lower, uint64_t upper,
            Selection* selection, void* workspace);

}  // namespace oddity::kernels
