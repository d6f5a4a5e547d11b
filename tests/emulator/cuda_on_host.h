// CUDA's device side as plain C++, for kernels compiled by g++ or clang++ (only kernels/device.cuh
// includes it). Types come from the real CUDA headers; __shared__ is left undefined on purpose.
#pragma once

#include <cuda_runtime_api.h>
#include <math.h>
#include <vector_functions.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __forceinline__
#undef __noinline__
#undef __launch_bounds__
#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __launch_bounds__(...)

/// For host code in a kernel's source file: the check flavour does not watch it.
#define EMULATOR_UNCHECKED __attribute__((no_sanitize("thread")))

/// The built-in variables, set by the scheduler whenever another thread goes on. (__thread rather
/// than thread_local: no call of an initialiser at every use.)
extern __thread uint3 threadIdx;
extern __thread uint3 blockIdx;
extern __thread dim3 blockDim;
extern __thread dim3 gridDim;
inline constexpr int warpSize = 32;

namespace oddity::emulator {

/// A place in the sources.
struct Where {
  const char* file = "";
  int line = 0;
};

/// A launch: `run` is one thread's work.
struct Launch {
  const void* kernel = nullptr;
  dim3 grid;
  dim3 block;
  std::size_t shared = 0;
  Where where;
  std::function<void()> run;
};

/// A thread's work begins with this call: from here on its accesses are the kernel's.
void kernel_entered();

/// Enqueues the launch, or refuses it as the runtime would.
cudaError_t launch(Launch launch, cudaStream_t stream);

/// Reports and ends the running block unless `address` is a multiple of `alignment`.
void check_alignment(const void* address, std::size_t alignment, Where where);

/// The shared array that `key` stands for in this block, NaN-filled when first asked for.
void* shared_array(const void* key, const char* name, std::size_t bytes, std::size_t alignment);
/// The launch's dynamic shared memory.
void* shared_dynamic();

/// __syncthreads and __syncwarp.
void block_barrier(Where where);
void warp_barrier(unsigned mask, Where where);

/// This thread's lane.
unsigned lane();

/// One lane's part in a warp-wide operation: the last lane of `mask` to arrive runs `execute` for
/// all. `lanes` is indexed by lane; those outside the mask are null. (An abstract class would cost
/// the same and say less: `execute` must be the same function in every lane.)
struct WarpOperation {
  void (*execute)(WarpOperation* const* lanes, unsigned mask) = nullptr;
  unsigned mask = 0;
  Where where;
  const void* input = nullptr;
  void* output = nullptr;
  std::size_t bytes = 0;
  int source = 0;  ///< shuffles: the lane to read
};
void warp_collective(WarpOperation& operation);

}  // namespace oddity::emulator

#define SHARED_ARRAY(type, name, ...)                                                \
  using oddity_##name##_type = type __VA_ARGS__;                                     \
  static const char oddity_##name##_key = 0;                                         \
  auto& name = *static_cast<oddity_##name##_type*>(::oddity::emulator::shared_array( \
      &oddity_##name##_key, #name, sizeof(oddity_##name##_type), alignof(oddity_##name##_type)))
#define SHARED_DYNAMIC(type, name) \
  type* const name = static_cast<type*>(::oddity::emulator::shared_dynamic())

#include "emulator/device_functions.h"
#include "emulator/warp_functions.h"
