// Kernels with planted bugs (planted_bugs.cu), for the emulator's own test.
#pragma once

#include <cuda_runtime_api.h>

namespace oddity::emulator {

enum class Bug {
  kNone,
  kGlobalPastEnd,
  kGlobalFarPastEnd,
  kSharedPastEnd,
  kDynamicPastEnd,
  kMissingBarrier,
  kMissingBarrierInLoop,
  kMissingWarpBarrier,
  kShuffleIsNoBarrier,
  kRaceInShared,
  kRaceOfBlocks,
  kAtomicAndPlain,
  kDivergentBarrier,
  kTwoBarriers,
  kExitBeforeBarrier,
  kExitBeforeShuffle,
  kShuffleOutsideOwnMask,
  kShuffleFromOutsideMask,
  kDivergentShuffle,
  kMisalignedVector,
  kMisalignedCast,
  kUninitialisedShared,
  kUninitialisedGlobal,
  kUseAfterFree,
  kHostPointer,
  kTooManyThreads,
  kTooMuchShared,
};

inline constexpr int kPlantedElements = 130;  // ends within a 256-byte unit

/// Arrays of kPlantedElements elements.
struct Planted {
  float* output = nullptr;     ///< on the device; nobody wrote it
  float* written = nullptr;    ///< on the device, zero
  unsigned* counts = nullptr;  ///< on the device, zero
  const float* unwritten = nullptr;
  const float* freed = nullptr;
  const float* host = nullptr;  ///< pageable host memory
  cudaStream_t stream = nullptr;
};

/// Launches the kernel with that bug. Throws oddity::DeviceError if the launch is refused.
void launch_planted(Bug bug, const Planted& planted);

}  // namespace oddity::emulator
