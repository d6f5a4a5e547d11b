// A product with so few sums that the threads of a block share the depth of each: the block has
// kLongSide × kLongSide of them, and every thread a part of all.
#pragma once

#include "device.cuh"

namespace oddity::kernels {

inline constexpr int kLongThreads = 256;
inline constexpr int kLongSide = 4;
inline constexpr int kLongSums = kLongSide * kLongSide;

/// Adds up the threads' parts, in an order of its own: sum row · kLongSide + column to the thread
/// of that number. The whole block calls it, once.
__device__ __forceinline__ float add_long_sums(const float (&part)[kLongSide][kLongSide]) {
  constexpr int kParts = kLongThreads / kLongSums;
  SHARED_ARRAY(float, sums, [kLongSums][kLongThreads + kParts]);
  SHARED_ARRAY(float, parts, [kLongSums][kParts + 1]);
  const int thread = thread_in_block();
#pragma unroll
  for (int i = 0; i < kLongSums; ++i) sums[i][thread] = part[i / kLongSide][i % kLongSide];
  __syncthreads();
  const int mine = thread / kParts;
  float sum = 0;
  for (int i = thread % kParts; i < kLongThreads; i += kParts) sum += sums[mine][i];
  parts[mine][thread % kParts] = sum;
  __syncthreads();
  float total = 0;
  if (thread < kLongSums) {
    for (int i = 0; i < kParts; ++i) total += parts[thread][i];
  }
  return total;
}

}  // namespace oddity::kernels
