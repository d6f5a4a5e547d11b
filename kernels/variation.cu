#include "device.cuh"
#include "pixels.cuh"
#include "variation.h"

namespace oddity::kernels {
namespace {

constexpr int kThreads = 256;

/// A block an image.
__global__ void __launch_bounds__(kThreads)
    variations_kernel(Gathered images, int rows, int row, int channels, float* variations) {
  SHARED_ARRAY(float, scratch, [kWarp]);
  const int size = rows * row;
  const int64_t image = blockIdx.x;
  const auto pixel = [&](int at) { return images.pixel(image, size, at); };
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < size; i += kThreads) {
    const float value = pixel(i);
    if (i % row + channels < row) sum += fabsf(pixel(i + channels) - value);
    if (i + row < size) sum += fabsf(pixel(i + row) - value);
  }
  sum = block_sum(sum, scratch);
  if (threadIdx.x != 0) return;
  const float root = sqrtf(sum + kLeastVariation);
  variations[image] = root * sqrtf(root);
}

}  // namespace

void variations(cudaStream_t stream, Pixels type, const void* images, int64_t count, int64_t height,
                int64_t width, int64_t channels, float* variations) {
  if (count == 0) return;
  launch(variations_kernel, {.grid = count, .block = kThreads, .stream = stream},
         Gathered{type, static_cast<const unsigned char*>(images), nullptr},
         static_cast<int>(height), static_cast<int>(width * channels), static_cast<int>(channels),
         variations);
}

}  // namespace oddity::kernels
