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
