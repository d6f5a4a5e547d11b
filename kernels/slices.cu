#include "device.cuh"
#include "slices.h"

namespace oddity::kernels {
namespace {

constexpr int kElements = 32;  // of y, a block
constexpr int kGroups = 8;     // of slices, added side by side

/// Block: kElements × kGroups threads. Group g adds slices g, g + kGroups …; then the groups' sums
/// are added in order.
__global__ void __launch_bounds__(kElements* kGroups)
    sum_slices_kernel(int64_t slices, int64_t size, int64_t columns, const float* partials,
                      const float* bias, float* y) {
  SHARED_ARRAY(float, sums, [kGroups][kElements]);
  const int element = static_cast<int>(threadIdx.x);
  const int group = static_cast<int>(threadIdx.y);
  const int64_t i = int64_t{blockIdx.x} * kElements + element;
  float sum = 0;
  if (i < size) {
    for (int64_t slice = group; slice < slices; slice += kGroups) sum += partials[slice * size + i];
  }
  sums[group][element] = sum;
  __syncthreads();
  if (group == 0 && i < size) {
    for (int g = 1; g < kGroups; ++g) sum += sums[g][element];
    y[i] = bias != nullptr ? sum + bias[i % columns] : sum;
  }
}

}  // namespace

void sum_slices(cudaStream_t stream, int64_t slices, int64_t rows, int64_t columns,
                const float* partials, const float* bias, float* y) {
  const int64_t size = rows * columns;
  launch(sum_slices_kernel,
         {.grid = blocks_for(size, kElements), .block = {kElements, kGroups}, .stream = stream},
         slices, size, columns, partials, bias, y);
}

}  // namespace oddity::kernels
