// The sigmoid and its slope.
#pragma once

#include "device.cuh"

namespace oddity::kernels {

struct Sigmoid {
  float value;  // y
  float slope;  // y·(1 − y)
};

// From exp(−|x|), which cannot overflow; so y keeps its relative accuracy far below 0, and the
// slope on both sides, where 1 − y would cancel.
__device__ __forceinline__ Sigmoid sigmoid_of(float x) {
  const float e = expf(-fabsf(x));
  const float larger = 1.0f / (1.0f + e);
  const float smaller = __fmul_rn(e, larger);  // never part of an FMA
  return {x < 0 ? smaller : larger, smaller * larger};
}

}  // namespace oddity::kernels
