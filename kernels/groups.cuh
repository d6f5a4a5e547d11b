// Neighbouring floats handled by one thread: 16 bytes at a time where the pointers allow it, the
// same numbers one by one where they do not. So alignment never changes a result.
#pragma once

#include "device.cuh"

namespace oddity::kernels {

/// kWidth neighbouring floats in registers.
template <int kWidth>
struct alignas(sizeof(float) * kWidth) Group {
  float at[kWidth];
};
using Four = Group<4>;

/// Whether load4 and store4 may be used on all of these pointers; null ones do not count.
template <typename... Pointers>
bool all_aligned(const Pointers*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

/// Numbers p[0] … p[kWidth − 1].
template <int kWidth>
__device__ __forceinline__ Group<kWidth> load_group(const float* p, bool aligned) {
  if constexpr (kWidth == 4) {
    if (aligned) {
      const float4 v = load4(p);
      return {{v.x, v.y, v.z, v.w}};
    }
  }
  Group<kWidth> group;
#pragma unroll
  for (int j = 0; j < kWidth; ++j) group.at[j] = p[j];
  return group;
}

template <int kWidth>
__device__ __forceinline__ void store_group(float* p, const Group<kWidth>& group, bool aligned) {
  if constexpr (kWidth == 4) {
    if (aligned) {
      store4(p, make_float4(group.at[0], group.at[1], group.at[2], group.at[3]));
      return;
    }
  }
#pragma unroll
  for (int j = 0; j < kWidth; ++j) p[j] = group.at[j];
}

/// The same for a few numbers that many threads read, such as a channel's parameters: they may lie
/// otherwise than the rest, so each pointer is asked.
template <int kWidth>
__device__ __forceinline__ Group<kWidth> load_parameters(const float* p) {
  return load_group<kWidth>(p, reinterpret_cast<std::uintptr_t>(p) % 16 == 0);
}

/// Numbers i … i + 3 of p [n]; those past the end are 0. `aligned`: p + i is 16-byte aligned.
__device__ __forceinline__ Four load_four(const float* p, std::int64_t i, std::int64_t n,
                                          bool aligned) {
  if (i + 4 <= n) return load_group<4>(p + i, aligned);
  Four four{};
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (i + j < n) four.at[j] = p[i + j];
  }
  return four;
}

/// Stores what load_four loads: nothing past the end.
__device__ __forceinline__ void store_four(float* p, std::int64_t i, std::int64_t n,
                                           const Four& four, bool aligned) {
  if (i + 4 <= n) return store_group<4>(p + i, four, aligned);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (i + j < n) p[i + j] = four.at[j];
  }
}

/// Element-wise kernels over a flat array: blocks of kFlatThreads, four numbers a thread.
inline constexpr int kFlatThreads = 256;
inline LaunchConfig flat_launch(std::int64_t n, cudaStream_t stream,
                                const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  return {.grid = blocks_for(n, 4 * kFlatThreads),
          .block = kFlatThreads,
          .stream = stream,
          .file = file,
          .line = line};
}
/// The first of this thread's four numbers.
__device__ __forceinline__ std::int64_t first_of_four() {
  return 4 * (std::int64_t{blockIdx.x} * kFlatThreads + threadIdx.x);
}

}  // namespace oddity::kernels
