// Pixels resident in device memory to network input.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "adam.h"

namespace oddity::kernels {

/// The type pixels came in: u8 stands for pixel/255, u16 for pixel/65535 (one float32 division, as
/// Keras' users write it), f32 for itself.
enum class Pixels { u8, u16, f32 };

/// Of one pixel.
constexpr int64_t bytes_of(Pixels type) {
  return type == Pixels::u8 ? 1 : type == Pixels::u16 ? 2 : 4;
}

/// A batch of the resident set, not yet gathered: image i is images [·, size] at
/// positions[state->step · batch + i].
struct PixelBatch {
  Pixels type = Pixels::u8;
  const void* pixels = nullptr;
  const uint32_t* positions = nullptr;  // null: image i is at i
  const EpochState* state = nullptr;    // null: step 0
  int64_t batch = 0;
};

/// x [count, size] = images [·, size] at positions first, first + 1 …
void load_images(cudaStream_t stream, Pixels type, const void* images, int64_t size, int64_t first,
                 int64_t count, float* x);

/// x [count, size] = images [·, size] at positions[state->step · batch + first + i]. state may be
/// null: step 0.
void gather_images(cudaStream_t stream, Pixels type, const void* images, int64_t size,
                   const uint32_t* positions, const EpochState* state, int64_t batch, int64_t first,
                   int64_t count, float* x);

}  // namespace oddity::kernels
