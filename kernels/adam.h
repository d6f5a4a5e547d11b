// Adam over one flat buffer, and the bookkeeping of a training step.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace oddity::kernels {

/// Where an epoch of training stands, in device memory: one captured graph serves every step.
struct EpochState {
  int64_t step;  // of this epoch, from 0
};

/// m = .9 m + .1 g, v = .999 v + .001 g², w −= rates[state->step] · m / (√v + 1e-7), for n numbers.
/// Keras' (legacy) Adam: epsilon is outside of the bias correction, which the caller has put into
/// the rates: lr · √(1 − .999ᵗ) / (1 − .9ᵗ) for the t-th step of all, from 1.
void adam(cudaStream_t stream, int64_t n, const float* gradients, const float* rates,
          const EpochState* state, float* weights, float* first_moment, float* second_moment);

/// What the host watches while an epoch runs, in mapped pinned memory.
struct EpochProgress {
  double* losses;        // [steps] sum over the step's images of their errors
  uint64_t* steps_done;  // written after losses[step]
  friend bool operator==(const EpochProgress&, const EpochProgress&) = default;
};

/// Ends a step: losses[step] = sum of errors [images] (float64; up to 32 images in order, more in
/// 32 runs, in an order given by their number), then steps_done = step + 1, which the host sees
/// after the loss, then state->step += 1.
void finish_step(cudaStream_t stream, int64_t images, const float* errors, EpochState* state,
                 EpochProgress progress);

}  // namespace oddity::kernels
