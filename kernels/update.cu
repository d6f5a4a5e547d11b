#include "adam.cuh"
#include "groups.cuh"
#include "moving.cuh"
#include "update.h"

namespace oddity::kernels {
namespace {

constexpr int kThreads = 256;
// Numbers in few slices: a thread adds up those of four. In many: kGroups threads share those of
// one.
constexpr int kFewSlices = 8;
constexpr int kFlat = 4 * kThreads;
constexpr int kElements = 32;
constexpr int kGroups = kThreads / kElements;

__host__ __device__ bool is_flat(const Update& update) {
  return update.kind != UpdateKind::bias && update.slices <= kFewSlices;
}

__device__ __forceinline__ void move_weight(const UpdateTargets& targets, int64_t i, float gradient,
                                            float rate) {
  float weight = targets.weights[i];
  float first = targets.first_moment[i];
  float second = targets.second_moment[i];
  adam_step(gradient, rate, weight, first, second);
  targets.weights[i] = weight;
  targets.first_moment[i] = first;
  targets.second_moment[i] = second;
}

__device__ __forceinline__ void update_flat(const UpdatePart& part, float rate,
                                            const UpdateTargets& targets) {
  const Update& update = part.update;
  const int64_t end = min(part.first + kFlat, update.count);
#pragma unroll
  for (int n = 0; n < kFlat / kThreads; ++n) {
    const int64_t i = part.first + n * kThreads + threadIdx.x;
    if (i >= end) continue;
    float sum = 0;
    for (int slice = 0; slice < update.slices; ++slice)
      sum += update.source[slice * update.stride + i];
    if (update.kind == UpdateKind::weights) {
      move_weight(targets, update.target + i, sum, rate);
    } else {
      float& moving = targets.moving[update.target + i];
      moving = moved(moving, sum);
    }
  }
}

/// The sum over the slices of source[slice · stride], in the threads of group 0: each group adds
/// every kGroups-th, and then the groups' sums are added in order. All threads of the block take
/// part.
__device__ __forceinline__ float add_slices(const Update& update, const float* source, bool inside,
                                            float (&sums)[kGroups][kElements]) {
  const int element = static_cast<int>(threadIdx.x) % kElements;
  const int group = static_cast<int>(threadIdx.x) / kElements;
  float sum = 0;
  if (inside) {
#pragma unroll 4
    for (int slice = group; slice < update.slices; slice += kGroups) {
      sum += source[slice * update.stride];
    }
  }
  sums[group][element] = sum;
  __syncthreads();
  if (group == 0) {
    for (int g = 1; g < kGroups; ++g) sum += sums[g][element];
  }
  return sum;
}

/// The gradient is that of batch normalisation, g = scale · (dy − S(dy)/n − z · S(dy · z)/n), times
/// LeakyReLU's, 1 or .2. Over all rows g adds up to 0; so its sum is .8 of that over the rows where
/// the activation is positive.
__device__ __forceinline__ float bias_gradient(const Update& update, int64_t i,
                                               const float (&sums)[kGradientSums]) {
  const double rows = double(update.rows);
  const double positive = double(sums[kPositiveDy]) -
                          double(sums[kPositiveCount]) * (double(sums[kDy]) / rows) -
                          double(sums[kPositiveZ]) * (double(sums[kDyZ]) / rows);
  return float((1 - double(kLeakyReluSlope)) *
               double(update.statistics[kScale * update.count + i]) * positive);
}

__device__ __forceinline__ void update_grouped(const UpdatePart& part, float rate,
                                               const UpdateTargets& targets) {
  SHARED_ARRAY(float, shared, [kGradientSums][kGroups][kElements]);
  const Update& update = part.update;
  const int64_t i = part.first + threadIdx.x % kElements;
  const bool inside = i < update.count;
  const float* const source = update.source + i;
  float gradient = 0;
  if (update.kind == UpdateKind::bias) {
    float sums[kGradientSums];
#pragma unroll
    for (int s = 0; s < kGradientSums; ++s) {
      sums[s] = add_slices(update, source + s * update.count, inside, shared[s]);
    }
    if (inside) gradient = bias_gradient(update, i, sums);
  } else {
    gradient = add_slices(update, source, inside, shared[0]);
  }
  if (threadIdx.x < kElements && inside) move_weight(targets, update.target + i, gradient, rate);
}

/// Grid: the parts, and a block more for the end of the step.
__global__ void __launch_bounds__(kThreads)
    update_kernel(const UpdatePart* parts, int64_t count, UpdateStep step, UpdateTargets targets) {
  if (blockIdx.x == count) {
    const double sum = sum_in_runs(step.squares_count, step.squares);
    if (threadIdx.x == 0) {
      end_step(*step.step, sum / double(step.size), targets.state, targets.progress);
    }
    return;
  }
  const UpdatePart part = parts[blockIdx.x];
  const float rate = step.rates[*step.step];
  if (is_flat(part.update)) {
    update_flat(part, rate, targets);
  } else {
    update_grouped(part, rate, targets);
  }
}

}  // namespace

std::vector<UpdatePart> cut_updates(std::span<const Update> updates) {
  std::vector<UpdatePart> parts;
  for (const Update& update : updates) {
    const int64_t size = is_flat(update) ? kFlat : kElements;
    for (int64_t first = 0; first < update.count; first += size) parts.push_back({update, first});
  }
  return parts;
}

void update(cudaStream_t stream, const UpdatePart* parts, int64_t count, const UpdateStep& step,
            const UpdateTargets& targets) {
  launch(update_kernel, {.grid = count + 1, .block = kThreads, .stream = stream}, parts, count,
         step, targets);
}

}  // namespace oddity::kernels
