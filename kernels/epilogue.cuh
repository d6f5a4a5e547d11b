// What is done to a sum before it is stored, by the kernels that make the sum and after a library.
#pragma once

#include "conv2d.h"
#include "device.cuh"

namespace oddity::kernels {

__device__ __forceinline__ float finish(float sum, float bias, Epilogue epilogue) {
  if (epilogue == Epilogue::none) return sum;
  const float x = sum + bias;
  return epilogue == Epilogue::bias || x > 0 ? x : kLeakyReluSlope * x;
}

}  // namespace oddity::kernels
