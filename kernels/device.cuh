// All that kernels include. Under nvcc these are thin names over CUDA; under g++ and clang++ the
// same kernels are plain C++ run by the emulator (tests/emulator/README.md says what authors owe
// it):
//   shared memory through SHARED_ARRAY and SHARED_DYNAMIC, never a bare __shared__;
//   16-byte accesses through load4 and store4;
//   full masks in the _sync functions, no return before a barrier, no hand-over between blocks.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "check.h"
#include "launch_recorder.h"

#if defined(__CUDACC__)
#include <cuda_runtime.h>
/// A static shared array: SHARED_ARRAY(float, tile, [8][33]);
#define SHARED_ARRAY(type, name, ...) __shared__ type name __VA_ARGS__
/// The launch's dynamic shared memory (LaunchConfig::shared bytes, 16-byte aligned) as `type*
/// name`.
#define SHARED_DYNAMIC(type, name)                                       \
  extern __shared__ __align__(16) unsigned char oddity_dynamic_shared[]; \
  type* const name = reinterpret_cast<type*>(oddity_dynamic_shared)
#else
#include "emulator/cuda_on_host.h"
#endif

namespace oddity::kernels {

/// Lanes in a warp, and the mask of all of them.
inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

/// The blocks of `block` threads (> 0) that give at least `n` (≥ 0) threads; at least one.
constexpr std::int64_t blocks_for(std::int64_t n, std::int64_t block) {
  return n <= 0 ? 1 : (n + block - 1) / block;
}

/// Extents of a grid or a block from integers of any type. What does not fit (0, negative, beyond
/// 2³¹ − 1) becomes 0, which the launch refuses.
struct Extents {
  dim3 value;

  template <std::integral X, std::integral Y = int, std::integral Z = int>
  constexpr Extents(X x, Y y = 1, Z z = 1)
      : value(narrow(std::int64_t(x)), narrow(std::int64_t(y)), narrow(std::int64_t(z))) {}
  constexpr Extents(dim3 extents) : value(extents) {}

 private:
  static constexpr unsigned narrow(std::int64_t n) {
    return n < 0 || n > std::numeric_limits<std::int32_t>::max() ? 0u : unsigned(n);
  }
};

/// How a kernel is launched: {.grid = blocks_for(n, 256), .block = 256, .stream = stream}.
struct LaunchConfig {
  Extents grid = 1;
  Extents block = 1;
  std::size_t shared = 0;  ///< bytes of dynamic shared memory
  cudaStream_t stream = nullptr;
  const char* file = __builtin_FILE();  ///< of the launch, for its error
  int line = __builtin_LINE();
};

/// Launches `kernel` with `arguments`, whose count and types are the kernel's own parameters.
/// Throws oddity::DeviceError if the launch is refused. Under a LaunchRecorder nothing happens.
template <typename... Parameters>
void launch(void (*kernel)(Parameters...), const LaunchConfig& config,
            std::type_identity_t<Parameters>... arguments) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "a kernel's parameters are copied to the device as bytes");
  if (record_launch(
          {config.file, config.line, config.grid.value, config.block.value, config.shared})) {
    return;
  }
#if defined(__CUDACC__)
  cudaLaunchConfig_t native{};
  native.gridDim = config.grid.value;
  native.blockDim = config.block.value;
  native.dynamicSmemBytes = config.shared;
  native.stream = config.stream;
  check(cudaLaunchKernelEx(&native, kernel, arguments...), config.file, config.line);
#else
  check(emulator::launch({.kernel = reinterpret_cast<const void*>(kernel),
                          .grid = config.grid.value,
                          .block = config.block.value,
                          .shared = config.shared,
                          .where = {config.file, config.line},
                          .run =
                              [kernel, arguments...]() EMULATOR_UNCHECKED {
                                emulator::kernel_entered();
                                kernel(arguments...);
                              }},
                         config.stream),
        config.file, config.line);
#endif
}

/// Lets the launches of `kernel` have up to `bytes` of dynamic shared memory; beyond 48 KiB that
/// must be asked for. Throws oddity::DeviceError if the device has less.
template <typename... Parameters>
void allow_shared(void (*kernel)(Parameters...), std::size_t bytes,
                  const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (records_launches()) return;
  check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize, int(bytes)),
        file, line);
}

/// Four floats at once; `p` must be 16-byte aligned (the emulator checks it).
#if defined(__CUDACC__)
__device__ __forceinline__ float4 load4(const float* p) {
  return *reinterpret_cast<const float4*>(p);
}
__device__ __forceinline__ void store4(float* p, float4 v) { *reinterpret_cast<float4*>(p) = v; }
#else
inline float4 load4(const float* p, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  emulator::check_alignment(p, alignof(float4), {file, line});
  return *reinterpret_cast<const float4*>(p);
}
inline void store4(float* p, float4 v, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE()) {
  emulator::check_alignment(p, alignof(float4), {file, line});
  *reinterpret_cast<float4*>(p) = v;
}
#endif

/// This thread's place in its block (x fastest), in its warp, and the warp's place in the block.
__device__ __forceinline__ int thread_in_block() {
  return int(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
}
__device__ __forceinline__ int lane_in_warp() { return thread_in_block() % kWarp; }
__device__ __forceinline__ int warp_in_block() { return thread_in_block() / kWarp; }

/// Sum and maximum over the 32 lanes of a warp, the same bits in every lane: a butterfly, in which
/// both partners add the same two numbers. All 32 lanes take part. warp_max is that of fmaxf: a NaN
/// loses against a number.
template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, step);
  }
  return value;
}
__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, step));
  }
  return value;
}

/// Sum over a block whose size is a multiple of 32, the same bits in every thread and in every run.
/// `scratch` holds 32 elements of shared memory and is free again on return. All threads take part.
template <typename T>
__device__ __forceinline__ T block_sum(T value, T* scratch) {
  value = warp_sum(value);
  if (lane_in_warp() == 0) {
    scratch[warp_in_block()] = value;
  }
  __syncthreads();
  const int warps = int(blockDim.x * blockDim.y * blockDim.z) / kWarp;
  value = warp_sum(lane_in_warp() < warps ? scratch[lane_in_warp()] : T(0));
  __syncthreads();  // the next call may write scratch
  return value;
}

}  // namespace oddity::kernels
