#include "adam.cuh"
#include "groups.cuh"
#include "moving.cuh"
#include "update.h"

namespace oddity::kernels {
namespace {

constexpr int kThreads = 256;
// Numbers in few slices: a thread adds up those of four. In many: kGroups threads share those of
// one, or of a group of four.
constexpr int kFewSlices = 8;
constexpr int kFlat = 4 * kThreads;
constexpr int kElements = 32;
constexpr int kGroups = kThreads / kElements;

__host__ __device__ bool is_flat(const Update& update) {
  return update.kind != UpdateKind::bias && update.slices <= kFewSlices;
}
/// Whether the numbers lie in groups of four wherever they are.
__host__ __device__ bool in_fours(const Update& update) {
  return update.count % 4 == 0 && update.stride % 4 == 0;
}

template <int kWidth>
__device__ __forceinline__ void move_weights(const UpdateTargets& targets, int64_t at,
                                             const Group<kWidth>& gradient, float rate) {
  Group<kWidth> weight = load_group<kWidth>(targets.weights + at, true);
  Group<kWidth> first = load_group<kWidth>(targets.first_moment + at, true);
  Group<kWidth> second = load_group<kWidth>(targets.second_moment + at, true);
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    adam_step(gradient.at[j], rate, weight.at[j], first.at[j], second.at[j]);
  }
  store_group<kWidth>(targets.weights + at, weight, true);
  store_group<kWidth>(targets.first_moment + at, first, true);
  store_group<kWidth>(targets.second_moment + at, second, true);
}

__device__ __forceinline__ void update_flat(const UpdatePart& part, float rate,
                                            const UpdateTargets& targets) {
  const Update& update = part.update;
  const int64_t end = min(part.first + kFlat, update.count);
#pragma unroll
  for (int n = 0; n < kFlat / kThreads; ++n) {
    const int64_t i = part.first + n * kThreads + threadIdx.x;
    if (i >= end) continue;
    Group<1> sum{};
    for (int slice = 0; slice < update.slices; ++slice) {
      sum.at[0] += update.source[slice * update.stride + i];
    }
    if (update.kind == UpdateKind::weights) {
      move_weights(targets, update.target + i, sum, rate);
    } else {
      float& moving = targets.moving[update.target + i];
      moving = moved(moving, sum.at[0]);
    }
  }
}

/// The sum over the slices of source[slice · stride], in the threads of group 0: each group adds
/// every kGroups-th, and then the groups' sums are added in order. All threads of the block take
/// part; sums is free again on return.
template <int kWidth>
__device__ __forceinline__ Group<kWidth> add_slices(const Update& update, const float* source,
                                                    bool inside,
                                                    Group<kWidth> (&sums)[kGroups][kElements]) {
  const int element = static_cast<int>(threadIdx.x) % kElements;
  const int group = static_cast<int>(threadIdx.x) / kElements;
  Group<kWidth> sum{};
  if (inside) {
#pragma unroll 4
    for (int slice = group; slice < update.slices; slice += kGroups) {
      const Group<kWidth> part = load_group<kWidth>(source + slice * update.stride, true);
#pragma unroll
      for (int j = 0; j < kWidth; ++j) sum.at[j] += part.at[j];
    }
  }
  sums[group][element] = sum;
  __syncthreads();
  if (group == 0) {
    for (int g = 1; g < kGroups; ++g) {
#pragma unroll
      for (int j = 0; j < kWidth; ++j) sum.at[j] += sums[g][element].at[j];
    }
  }
  __syncthreads();
  return sum;
}

/// The gradient is that of batch normalisation, g = scale · (dy − S(dy)/n − z · S(dy · z)/n), times
/// LeakyReLU's, 1 or .2. Over all rows g adds up to 0; so its sum is .8 of that over the rows where
/// the activation is positive.
__device__ __forceinline__ float bias_gradient(const float (&sums)[kGradientSums], double rows,
                                               float scale) {
  double positive = double(sums[kPositiveDy]);
  positive = fma(-double(sums[kPositiveCount]), double(sums[kDy]) / rows, positive);
  positive = fma(-double(sums[kPositiveZ]), double(sums[kDyZ]) / rows, positive);
  return float((1 - double(kLeakyReluSlope)) * double(scale) * positive);
}

template <int kWidth>
__device__ __forceinline__ void update_grouped(const UpdatePart& part, float rate,
                                               const UpdateTargets& targets) {
  SHARED_ARRAY(Group<kWidth>, shared, [kGroups][kElements]);
  const Update& update = part.update;
  const int64_t i = part.first + threadIdx.x % kElements * kWidth;
  const bool inside = i < update.count;
  const float* const source = update.source + i;
  Group<kWidth> gradient;
  if (update.kind == UpdateKind::bias) {
    Group<kWidth> sums[kGradientSums];
#pragma unroll
    for (int s = 0; s < kGradientSums; ++s) {
      sums[s] = add_slices<kWidth>(update, source + s * update.count, inside, shared);
    }
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      const float of_channel[kGradientSums] = {sums[kDy].at[j], sums[kDyZ].at[j],
                                               sums[kPositiveDy].at[j], sums[kPositiveCount].at[j],
                                               sums[kPositiveZ].at[j]};
      const float scale = inside ? update.statistics[kScale * update.count + i + j] : 0;
      gradient.at[j] = bias_gradient(of_channel, double(update.rows), scale);
    }
  } else {
    gradient = add_slices<kWidth>(update, source, inside, shared);
  }
  if (threadIdx.x < kElements && inside) {
    move_weights<kWidth>(targets, update.target + i, gradient, rate);
  }
}

/// Grid: the parts, and a block more for the end of the step.
__global__ void __launch_bounds__(kThreads)
    update_kernel(const UpdatePart* parts, int64_t count, UpdateStep step, UpdateTargets targets) {
  if (blockIdx.x == count) {
    SHARED_ARRAY(double, scratch, [kWarp]);
    double sum = 0;
    for (int64_t i = threadIdx.x; i < step.squares_count; i += kThreads) {
      sum += double(step.squares[i]);
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) {
      end_step(*step.step, sum / double(step.size), targets.state, targets.progress);
    }
    return;
  }
  const UpdatePart part = parts[blockIdx.x];
  const float rate = step.rates[*step.step];
  if (is_flat(part.update)) {
    update_flat(part, rate, targets);
  } else if (in_fours(part.update)) {
    update_grouped<4>(part, rate, targets);
  } else {
    update_grouped<1>(part, rate, targets);
  }
}

}  // namespace

std::vector<UpdatePart> cut_updates(std::span<const Update> updates) {
  std::vector<UpdatePart> parts;
  for (const Update& update : updates) {
    const int64_t size = is_flat(update) ? kFlat : in_fours(update) ? 4 * kElements : kElements;
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
