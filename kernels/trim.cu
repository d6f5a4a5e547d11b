#include <cmath>

#include "groups.cuh"
#include "pixels.cuh"
#include "trim.h"

namespace oddity::kernels {
namespace {

/// How odd image i of the batch is.
__device__ __forceinline__ float oddness(const TrimLosses& losses, const uint32_t* positions,
                                         const float* variations, int64_t i) {
  float sum = 0;
  for (int64_t part = 0; part < losses.count; ++part) sum += losses.parts[i * losses.count + part];
  const float odd = sum / variations[positions[i]];
  return isnan(odd) ? INFINITY : odd;
}

/// Grid: `chunks` blocks an image, four numbers a thread. Each finds the image's rank by itself:
/// a batch has few images, and so nothing is handed from block to block.
__global__ void __launch_bounds__(kFlatThreads)
    trim_gradients_kernel(TrimLosses losses, PixelBatch batch, const float* variations,
                          int64_t left_out, float scale, TrimGradients gradients, int64_t chunks,
                          bool aligned) {
  SHARED_ARRAY(int, scratch, [kWarp]);
  const int64_t image = blockIdx.x / chunks;
  const int64_t chunk = blockIdx.x % chunks;
  const uint32_t* const positions = gathered(batch).positions;
  const float own = oddness(losses, positions, variations, image);
  int odder = 0;
  for (int64_t i = threadIdx.x; i < losses.images; i += blockDim.x) {
    const float other = oddness(losses, positions, variations, i);
    if (other > own || (other == own && i < image)) ++odder;
  }
  odder = block_sum(odder, scratch);
  const bool trimmed = odder < left_out;
  const auto scaled = [&](float gradient) { return trimmed ? 0.0f : gradient * scale; };
  if (chunk == 0) {
    for (int64_t i = threadIdx.x; i < gradients.sum_count; i += blockDim.x) {
      float& sum = gradients.sums[image * gradients.sum_count + i];
      sum = scaled(sum);
    }
  }
  float* const dx = gradients.dx + image * gradients.size;
  const int64_t i = 4 * (chunk * blockDim.x + threadIdx.x);
  if (i >= gradients.size) return;
  Four four = load_four(dx, i, gradients.size, aligned);
#pragma unroll
  for (float& gradient : four.at) gradient = scaled(gradient);
  store_four(dx, i, gradients.size, four, aligned);
}

}  // namespace

void trim_gradients(cudaStream_t stream, const TrimLosses& losses, const PixelBatch& batch,
                    const float* variations, int64_t left_out, const TrimGradients& gradients) {
  const int64_t chunks = blocks_for(gradients.size, 4 * kFlatThreads);
  const double scale = double(losses.images) / double(losses.images - left_out);
  launch(trim_gradients_kernel,
         {.grid = losses.images * chunks, .block = kFlatThreads, .stream = stream}, losses, batch,
         variations, left_out, float(scale), gradients, chunks,
         gradients.size % 4 == 0 && all_aligned(gradients.dx));
}

}  // namespace oddity::kernels
