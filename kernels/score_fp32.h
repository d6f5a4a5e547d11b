// The whole network in one kernel, from pixels to one float an image, in strict float32: nothing
// but the scores is written to memory. For images of 28×28×1, filters 32 and 64, 16 latent numbers.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace oddity::kernels {

/// The folded network (host/engine/cuda/folded_network.h says what is folded into what), each
/// number rounded once. Pointers are 16-byte aligned; layouts are row-major, a tap is ky·3 + kx.
struct ScoreFp32Weights {
  const float* conv1_kernel;  // [9, 32], for pixels as they are stored: divided by 255
  const float* conv1_bias;    // [32]
  const float* conv1_scale;   // [32]
  const float* conv1_shift;   // [32]

  const float* conv2_kernel;  // [9, 32, 64]
  const float* conv2_bias;    // [64]

  const float* latent_kernel;  // [7·7·64, 16]
  const float* latent_bias;    // [16]

  const float* map;        // [14·14·64, 16]
  const float* map_bias;   // [14·14·64]
  const float* map_scale;  // [64]
  const float* map_shift;  // [64]

  const float* transposed2_kernel;  // [9, 64, 32]
  const float* transposed2_bias;    // [32]
  const float* transposed2_scale;   // [32]
  const float* transposed2_shift;   // [32]

  // By value: among the kernel's parameters every one of them is an operand, with no load.
  float transposed3_kernel[9 * 32];
  float transposed3_bias;
};

/// scores [count] = mean over an image's 784 pixels of (x − reconstruction)², of the images [·,
/// 784] at positions first, first + 1 … or, with `positions`, at positions[first], positions[first
/// + 1] … `images` is 4-byte aligned, count > 0. A pixel stands for pixel/255. A score's bits
/// depend on its own image alone. A block takes 8 images and 57 KiB of shared memory, which every
/// device that the library is built for has.
void score_fp32(cudaStream_t stream, const ScoreFp32Weights& weights, const uint8_t* images,
                const uint32_t* positions, int64_t first, int64_t count, float* scores);

}  // namespace oddity::kernels
