// How the moving moments follow those of a batch.
#pragma once

#include "batchnorm.h"
#include "device.cuh"

namespace oddity::kernels {

// 1 − momentum, rounded once; 1 − .99f would be off in the sixth digit.
inline constexpr float kBatchShare = 0.01f;

__device__ __forceinline__ float moved(float moving, float batch) {
  return fmaf(kBatchNormMomentum, moving, kBatchShare * batch);
}

}  // namespace oddity::kernels
