// Resident pixels as numbers.
#pragma once

#include "device.cuh"
#include "images.h"

namespace oddity::kernels {

// One rounding each: true float32 divisions.
__device__ __forceinline__ float unit(uint8_t pixel) { return float(pixel) / 255.0f; }
__device__ __forceinline__ float unit(uint16_t pixel) { return float(pixel) / 65535.0f; }
__device__ __forceinline__ float unit(float pixel) { return pixel; }

/// Load (loads.cuh): images found by their positions in the resident set. The type is asked for
/// each pixel: the same in all threads, it costs little beside three kernels.
struct Gathered {
  using Pointer = const unsigned char*;
  struct Quad {
    unsigned bits[4];  // what was read; the conversion must not wait for it
  };
  Pixels type;
  const unsigned char* pixels;  // [·, size]
  const uint32_t* positions;    // of the batch's images; null: they lie in order

  __device__ __forceinline__ Pointer image(const float* /*x*/, int64_t n, int64_t size) const {
    const int64_t bytes = type == Pixels::u8 ? 1 : type == Pixels::u16 ? 2 : 4;
    const int64_t at = positions == nullptr ? n : positions[n];
    return pixels + at * size * bytes;
  }
  __device__ __forceinline__ void read(Pointer p, int at, bool exists, int i, Quad& quad) const {
    if (!exists) {
      quad.bits[i] = 0;
    } else if (type == Pixels::u8) {
      quad.bits[i] = p[at];
    } else if (type == Pixels::u16) {
      quad.bits[i] = reinterpret_cast<const uint16_t*>(p)[at];
    } else {
      quad.bits[i] = reinterpret_cast<const unsigned*>(p)[at];
    }
  }
  template <bool kVector>
  __device__ __forceinline__ void finish(const Quad& quad, int /*channel*/, unsigned /*exist*/,
                                         float (&out)[4]) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) out[i] = number(quad.bits[i]);
  }
  /// Pixel `at` of image n.
  __device__ __forceinline__ float pixel(int64_t n, int64_t size, int at) const {
    Quad quad;
    read(image(nullptr, n, size), at, true, 0, quad);
    return number(quad.bits[0]);
  }

 private:
  __device__ __forceinline__ float number(unsigned bits) const {
    if (type == Pixels::u8) return unit(uint8_t(bits));
    if (type == Pixels::u16) return unit(uint16_t(bits));
    return __uint_as_float(bits);
  }
};

__device__ __forceinline__ Gathered gathered(const PixelBatch& batch) {
  const int64_t first = batch.state == nullptr ? 0 : batch.state->step * batch.batch;
  return {batch.type, static_cast<const unsigned char*>(batch.pixels),
          batch.positions == nullptr ? nullptr : batch.positions + first};
}

}  // namespace oddity::kernels
