#include "device.cuh"
#include "pixels.cuh"
#include "robust_error.h"
#include "variation.h"

namespace oddity::kernels {
namespace {

constexpr int kTileWidth = kWarp;
constexpr int kTileHeight = 8;
constexpr int kThreads = kTileWidth * kTileHeight;
// With a border of one pixel.
constexpr int kPitch = kTileWidth + 2;
constexpr int kBordered = kPitch * (kTileHeight + 2);

/// [1 2 1] over the rows of a column.
__device__ __forceinline__ float column_sum(const float* middle) {
  return fmaf(2, middle[0], middle[-kPitch] + middle[kPitch]);
}

/// A block an image, which it passes over in tiles of one channel, a thread a pixel.
__global__ void __launch_bounds__(kThreads)
    robust_errors_kernel(int height, int width, int channels, const float* y, PixelBatch images,
                         float floor, float* errors) {
  SHARED_ARRAY(float, pixels, [kBordered]);
  SHARED_ARRAY(float, residuals, [kBordered]);
  SHARED_ARRAY(float, scratch, [kWarp]);
  const Gathered x = gathered(images);
  const int64_t image = blockIdx.x;
  const int64_t size = int64_t{height} * width * channels;
  const int thread = static_cast<int>(threadIdx.x);
  const int row = thread / kTileWidth;
  const int column = thread % kTileWidth;
  const int own = (row + 1) * kPitch + column + 1;
  float squares = 0;
  float variation = 0;
  for (int top = 0; top < height; top += kTileHeight) {
    for (int left = 0; left < width; left += kTileWidth) {
      for (int channel = 0; channel < channels; ++channel) {
        for (int i = thread; i < kBordered; i += kThreads) {
          const int r = top + i / kPitch - 1;
          const int c = left + i % kPitch - 1;
          pixels[i] = 0;
          residuals[i] = 0;
          if (r < 0 || r >= height || c < 0 || c >= width) continue;
          const int at = (r * width + c) * channels + channel;
          pixels[i] = x.pixel(image, size, at);
          residuals[i] = pixels[i] - y[image * size + at];
        }
        __syncthreads();
        if (top + row < height && left + column < width) {
          const float* const residual = residuals + own;
          const float b =
              fmaf(2, column_sum(residual), column_sum(residual - 1) + column_sum(residual + 1));
          squares = fmaf(b, b, squares);
          if (left + column + 1 < width) variation += fabsf(pixels[own + 1] - pixels[own]);
          if (top + row + 1 < height) variation += fabsf(pixels[own + kPitch] - pixels[own]);
        }
        __syncthreads();
      }
    }
  }
  squares = block_sum(squares, scratch);
  variation = block_sum(variation, scratch);
  if (thread != 0) return;
  constexpr float kWeights = 16 * 16;  // that b is too large, squared
  errors[image] = squares / (kWeights * float(size)) / fmaxf(variation + kLeastVariation, floor);
}

}  // namespace

void robust_errors(cudaStream_t stream, int64_t images, int64_t height, int64_t width,
                   int64_t channels, const float* y, const PixelBatch& x, float floor,
                   float* errors) {
  launch(robust_errors_kernel, {.grid = images, .block = kThreads, .stream = stream},
         static_cast<int>(height), static_cast<int>(width), static_cast<int>(channels), y, x, floor,
         errors);
}

}  // namespace oddity::kernels
