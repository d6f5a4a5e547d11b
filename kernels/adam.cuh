// Adam's formula, and the end of a step.
#pragma once

#include "adam.h"
#include "device.cuh"

namespace oddity::kernels {

__device__ __forceinline__ void adam_step(float gradient, float rate, float& weight, float& first,
                                          float& second) {
  first = fmaf(0.9f, first, 0.1f * gradient);
  second = fmaf(0.999f, second, 0.001f * (gradient * gradient));
  weight -= rate * first / (sqrtf(second) + 1e-7f);
}

/// The sum of values [n] in thread 0, by the first warp: a lane adds a run of neighbours in order,
/// then lane 0 the lanes' sums in order. Up to 32 values that is their own order; a thread alone
/// would take a tenth of a millisecond for thousands. The whole block calls it, once.
__device__ __forceinline__ double sum_in_runs(int64_t n, const float* values) {
  SHARED_ARRAY(double, sums, [kWarp]);
  const int64_t run = (n + kWarp - 1) / kWarp;
  const int64_t start = threadIdx.x * run;
  double sum = 0;
  if (threadIdx.x < kWarp) {
    const int64_t end = min(start + run, n);
    for (int64_t i = start; i < end; ++i) sum += double(values[i]);
    sums[threadIdx.x] = sum;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int lane = 1; lane < kWarp; ++lane) sum += sums[lane];
  }
  return sum;
}

/// Tells the host of the loss, and moves the counter.
__device__ __forceinline__ void end_step(int64_t step, double loss, EpochState* state,
                                         const EpochProgress& progress) {
  // The host polls steps_done and then reads the loss: both must leave in this order.
  *static_cast<volatile double*>(progress.losses + step) = loss;
  __threadfence_system();
  *static_cast<volatile uint64_t*>(progress.steps_done) = uint64_t(step + 1);
  state->step = step + 1;
}

}  // namespace oddity::kernels
