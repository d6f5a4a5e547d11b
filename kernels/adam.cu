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

// One warp: a lane adds a run of neighbours in order, then lane 0 the lanes' sums in order. Up to
// 32 images that is the order of the images; a thread alone would take a tenth of a millisecond for
// thousands.
__global__ void __launch_bounds__(kWarp)
    finish_step_kernel(int64_t images, const float* __restrict__ errors, EpochState* state,
                       EpochProgress progress) {
  SHARED_ARRAY(double, sums, [kWarp]);
  const int64_t run = (images + kWarp - 1) / kWarp;
  const int64_t start = threadIdx.x * run;
  const int64_t end = min(start + run, images);
  double sum = 0;
  for (int64_t i = start; i < end; ++i) sum += double(errors[i]);
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int lane = 1; lane < kWarp; ++lane) sum += sums[lane];
  end_step(state->step, sum, state, progress);
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
