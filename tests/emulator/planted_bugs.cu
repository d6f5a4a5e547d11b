// Kernels with one planted bug each, and some without any: the emulator must tell them apart. A bug
// that is a missing barrier is marked where the barrier should be.
#include "device.cuh"
#include "emulator/planted_bugs.h"

namespace oddity::emulator {
namespace {

using kernels::kAllLanes;

constexpr int kThreads = 64;

__device__ int self() { return int(threadIdx.x); }

__global__ void correct(float* y, unsigned* count) {
  SHARED_ARRAY(float, a, [kThreads]);
  SHARED_ARRAY(float, scratch, [32]);
  SHARED_DYNAMIC(float, b);
  a[self()] = float(self());
  b[self()] = 1.0f;
  __syncthreads();
  float sum = a[kThreads - 1 - self()] + b[self()];
  for (int i = 0; i < 3; ++i) {
    __syncthreads();
    a[self()] = sum;
    __syncwarp();
    sum += a[self() ^ 1];
    __syncthreads();
    sum += a[(self() + 33) % kThreads];
  }
  sum = kernels::block_sum(sum, scratch) + __shfl_down_sync(kAllLanes, sum, 3);
  atomicAdd(count, 1u);
  y[blockIdx.x * kThreads + threadIdx.x] = sum;
}

__global__ void global_past_end(float* y, int n) {
  if (self() <= n) {
    y[self()] = 1.0f;
  }
}
__global__ void global_far_past_end(float* y, int n) { y[self() + (1 << 10) * n] = 1.0f; }
__global__ void shared_past_end(float* y) {
  SHARED_ARRAY(float, a, [kThreads]);
  SHARED_ARRAY(float, b, [kThreads]);
  a[self()] = 1.0f;
  b[self()] = 2.0f;
  __syncthreads();
  y[self()] = a[self() + 1] + b[self()];
}
__global__ void dynamic_past_end(float* y) {
  SHARED_DYNAMIC(float, a);
  a[self() + 1] = 1.0f;
  __syncthreads();
  y[self()] = a[self() + 1];
}
__global__ void missing_barrier(float* y) {
  SHARED_ARRAY(float, a, [kThreads]);
  a[self()] = float(self());
  /* __syncthreads(); */
  y[self()] = a[kThreads - 1 - self()];
}
__global__ void missing_barrier_in_loop(float* y) {
  SHARED_ARRAY(float, a, [kThreads]);
  float sum = 0.0f;
  for (int i = 0; i < 4; ++i) {
    a[self()] = float(i);
    __syncthreads();
    sum += a[(self() + 33) % kThreads];
    /* __syncthreads(); */
  }
  y[self()] = sum;
}
__global__ void missing_warp_barrier(float* y) {
  SHARED_ARRAY(float, a, [kThreads]);
  a[self()] = float(self());
  /* __syncwarp(); */
  y[self()] = a[self() ^ 1];
}
__global__ void shuffle_is_no_barrier(float* y) {
  SHARED_ARRAY(float, a, [kThreads]);
  a[self()] = float(self());
  const float other = __shfl_xor_sync(kAllLanes, 1.0f, 1);
  y[self()] = a[self() ^ 1] + other;
}
__global__ void race_in_shared(unsigned* y) {
  SHARED_ARRAY(unsigned, a, [4]);
  if (self() < 4) {
    a[self()] = 0;
  }
  __syncthreads();
  a[self() % 4] += 1;
  __syncthreads();
  if (self() < 4) {
    y[self()] = a[self()];
  }
}
__global__ void race_of_blocks(float* y) { y[0] += 1.0f; }
__global__ void atomic_and_plain(unsigned* y) {
  if (self() == 0) {
    y[0] = 1;
  } else {
    atomicAdd(y, 1u);
  }
}
__global__ void divergent_barrier(float* y) {
  if (self() < 32) {
    __syncthreads();
  }
  y[self()] = 1.0f;
}
__global__ void two_barriers(float* y) {
  if (self() < 32) {
    __syncthreads();
    y[self()] = 1.0f;
  } else {
    __syncthreads();
    y[self()] = 2.0f;
  }
}
__global__ void exit_before_barrier(float* y) {
  if (self() == 5) {
    return;
  }
  __syncthreads();
  y[self()] = 1.0f;
}
__global__ void exit_before_shuffle(float* y) {
  if (self() % 32 == 5) {
    return;
  }
  y[self()] = kernels::warp_sum(1.0f);
}
__global__ void shuffle_outside_own_mask(float* y) {
  y[self()] = __shfl_xor_sync(0x0000ffffu, 1.0f, 1);
}
__global__ void shuffle_from_outside_mask(float* y) {
  if (self() % 32 < 16) {
    y[self()] = __shfl_sync(0x0000ffffu, 1.0f, 20);
  }
}
__global__ void divergent_shuffle(float* y) {
  if (self() % 2 == 0) {
    y[self()] = __shfl_xor_sync(kAllLanes, 1.0f, 2);
  } else {
    y[self()] = __shfl_down_sync(kAllLanes, 1.0f, 2);
  }
}
__global__ void misaligned_vector(float* y) {
  kernels::store4(y + 1 + 4 * self(), make_float4(1.0f, 2.0f, 3.0f, 4.0f));
}
__global__ void misaligned_cast(float* y) { reinterpret_cast<double*>(y + 1)[self()] = 1.0; }
__global__ void uninitialised_shared(float* y) {
  SHARED_ARRAY(float, a, [kThreads]);
  if (self() < 60) {
    a[self()] = 1.0f;
  }
  __syncthreads();
  y[self()] = a[self()];
}
__global__ void copy(float* y, const float* x) { y[self()] = x[self()]; }

}  // namespace

void launch_planted(Bug bug, const Planted& planted) {
  const kernels::LaunchConfig config{.block = kThreads, .stream = planted.stream};
  kernels::LaunchConfig with_dynamic = config;
  with_dynamic.shared = kThreads * sizeof(float);
  float* const y = planted.output;
  unsigned* const counts = planted.counts;
  const int n = kPlantedElements;
  switch (bug) {
    case Bug::kNone:
      kernels::launch(correct,
                      {.grid = 2,
                       .block = kThreads,
                       .shared = kThreads * sizeof(float),
                       .stream = planted.stream},
                      y, counts);
      return;
    case Bug::kGlobalPastEnd:
      return kernels::launch(global_past_end, {.block = 2 * n, .stream = planted.stream}, y, n);
    case Bug::kGlobalFarPastEnd:
      return kernels::launch(global_far_past_end, config, y, n);
    case Bug::kSharedPastEnd:
      return kernels::launch(shared_past_end, config, y);
    case Bug::kDynamicPastEnd:
      return kernels::launch(dynamic_past_end, with_dynamic, y);
    case Bug::kMissingBarrier:
      return kernels::launch(missing_barrier, config, y);
    case Bug::kMissingBarrierInLoop:
      return kernels::launch(missing_barrier_in_loop, config, y);
    case Bug::kMissingWarpBarrier:
      return kernels::launch(missing_warp_barrier, config, y);
    case Bug::kShuffleIsNoBarrier:
      return kernels::launch(shuffle_is_no_barrier, config, y);
    case Bug::kRaceInShared:
      return kernels::launch(race_in_shared, config, counts);
    case Bug::kRaceOfBlocks:
      return kernels::launch(race_of_blocks, {.grid = 2, .stream = planted.stream},
                             planted.written);
    case Bug::kAtomicAndPlain:
      return kernels::launch(atomic_and_plain, config, counts);
    case Bug::kDivergentBarrier:
      return kernels::launch(divergent_barrier, config, y);
    case Bug::kTwoBarriers:
      return kernels::launch(two_barriers, config, y);
    case Bug::kExitBeforeBarrier:
      return kernels::launch(exit_before_barrier, config, y);
    case Bug::kExitBeforeShuffle:
      return kernels::launch(exit_before_shuffle, config, y);
    case Bug::kShuffleOutsideOwnMask:
      return kernels::launch(shuffle_outside_own_mask, config, y);
    case Bug::kShuffleFromOutsideMask:
      return kernels::launch(shuffle_from_outside_mask, config, y);
    case Bug::kDivergentShuffle:
      return kernels::launch(divergent_shuffle, config, y);
    case Bug::kMisalignedVector:
      return kernels::launch(misaligned_vector, {.block = 8, .stream = planted.stream}, y);
    case Bug::kMisalignedCast:
      return kernels::launch(misaligned_cast, {.block = 8, .stream = planted.stream}, y);
    case Bug::kUninitialisedShared:
      return kernels::launch(uninitialised_shared, config, y);
    case Bug::kUninitialisedGlobal:
      return kernels::launch(copy, config, y, planted.unwritten);
    case Bug::kUseAfterFree:
      return kernels::launch(copy, config, y, planted.freed);
    case Bug::kHostPointer:
      return kernels::launch(copy, config, y, planted.host);
    case Bug::kTooManyThreads:
      return kernels::launch(copy, {.block = 2048, .stream = planted.stream}, y, y);
    case Bug::kTooMuchShared:
      return kernels::launch(copy, {.block = kThreads, .shared = 49 << 10}, y, y);
  }
}

}  // namespace oddity::emulator
