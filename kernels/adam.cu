#include "adam.cuh"
#include "groups.cuh"

namespace oddity::kernels {
namespace {

__global__ void __launch_bounds__(kFlatThreads)
    adam_kernel(int64_t n, const float* __restrict__ gradients, const float* __restrict__ rates,
                const EpochState* __restrict__ state, float* __restrict__ weights,
                float* __restrict__ first_moment, float* __restrict__ second_moment, bool aligned) {
  const int64_t i = first_of_four();
  if (i >= n) return;
  const float rate = rates[state->step];
  const Four gradient = load_four(gradients, i, n, aligned);
  Four weight = load_four(weights, i, n, aligned);
  Four first = load_four(first_moment, i, n, aligned);
  Four second = load_four(second_moment, i, n, aligned);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    adam_step(gradient.at[j], rate, weight.at[j], first.at[j], second.at[j]);
  }
  store_four(weights, i, n, weight, aligned);
  store_four(first_moment, i, n, first, aligned);
  store_four(second_moment, i, n, second, aligned);
}

// One warp.
__global__ void __launch_bounds__(kWarp)
    finish_step_kernel(int64_t images, const float* __restrict__ errors, EpochState* state,
                       EpochProgress progress) {
  const double sum = sum_in_runs(images, errors);
  if (threadIdx.x == 0) end_step(state->step, sum, state, progress);
}

}  // namespace

void adam(cudaStream_t stream, int64_t n, const float* gradients, const float* rates,
          const EpochState* state, float* weights, float* first_moment, float* second_moment) {
  launch(adam_kernel, flat_launch(n, stream), n, gradients, rates, state, weights, first_moment,
         second_moment, all_aligned(gradients, weights, first_moment, second_moment));
}

void finish_step(cudaStream_t stream, int64_t images, const float* errors, EpochState* state,
                 EpochProgress progress) {
  launch(finish_step_kernel, {.grid = 1, .block = kWarp, .stream = stream}, images, errors, state,
         progress);
}

}  // namespace oddity::kernels
