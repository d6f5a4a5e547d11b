// Products of small matrices by a warp, on tensor cores: fp16 operands, float32 sums. A tile's
// numbers lie in the registers of all 32 lanes as PTX says for mma.m16n8k16; with g = lane / 4 and
// t = lane % 4:
//   A [16, 16]: word i holds row g + 8·(i % 2), columns 2t + 8·(i / 2) and the next
//   B [16, 8]:  word i holds rows 2t + 8i and the next, column g
//   sums [16, 8]: number i is row g + 8·(i / 2), column 2t + i % 2
// So the sums of two neighbouring tiles are, in their order, the A of a next product.
#pragma once

#include <cuda_fp16.h>

#include <cstring>

#include "device.cuh"

#if !defined(__CUDACC__)
#include "emulator/tensor_functions.h"
#endif

namespace oddity::kernels {

/// Where a lane stands in the tiles.
struct TileLane {
  int index;  // lane
  int group;  // g
  int pair;   // t
};
__device__ __forceinline__ TileLane tile_lane() {
  const int lane = lane_in_warp();
  return {lane, lane >> 2, lane & 3};
}

/// As it lies in a register.
__device__ __forceinline__ uint32_t word_of(__half2 halves) {
  uint32_t word;
  memcpy(&word, &halves, sizeof(word));
  return word;
}

#if defined(__CUDACC__)
/// sums = A · B + start. All lanes take part.
__device__ __forceinline__ void multiply_tiles(float (&sums)[4], const uint32_t (&a)[4],
                                               uint32_t b0, uint32_t b1, const float (&start)[4]) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%10,%11,%12,%13};"
      : "=f"(sums[0]), "=f"(sums[1]), "=f"(sums[2]), "=f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(start[0]), "f"(start[1]),
        "f"(start[2]), "f"(start[3]));
#else
  // Turing multiplies half the depth at a time.
  float half[4];
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3},{%4,%5},{%6},{%7,%8,%9,%10};"
      : "=f"(half[0]), "=f"(half[1]), "=f"(half[2]), "=f"(half[3])
      : "r"(a[0]), "r"(a[1]), "r"(b0), "f"(start[0]), "f"(start[1]), "f"(start[2]), "f"(start[3]));
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3},{%4,%5},{%6},{%7,%8,%9,%10};"
      : "=f"(sums[0]), "=f"(sums[1]), "=f"(sums[2]), "=f"(sums[3])
      : "r"(a[2]), "r"(a[3]), "r"(b1), "f"(half[0]), "f"(half[1]), "f"(half[2]), "f"(half[3]));
#endif
}

/// Four 8 × 8 matrices of shared memory: lane i names row i % 8 of matrix i / 8, 16-byte aligned,
/// and gets word m from row g of matrix m: the A of multiply_tiles() where matrices 0 and 1 are its
/// upper and lower rows, 2 and 3 those of its right half. All lanes take part.
__device__ __forceinline__ void load_tile(uint32_t (&a)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
               : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}

/// Two bytes as fp16, exactly: put below the exponent of 1024, less 1024.
__device__ __forceinline__ uint32_t halves_of_bytes(uint32_t low, uint32_t high) {
  const uint32_t above = 0x64006400u | low | high << 16;
  const __half2 h =
      __hsub2(*reinterpret_cast<const __half2*>(&above), __half2half2(__ushort_as_half(0x6400)));
  return *reinterpret_cast<const uint32_t*>(&h);
}

/// 16 bytes at a 16-byte aligned place.
__device__ __forceinline__ uint4 load_words(const void* from) {
  return *static_cast<const uint4*>(from);
}
__device__ __forceinline__ void store_words(void* to, uint4 words) {
  *static_cast<uint4*>(to) = words;
}
#endif

__device__ __forceinline__ void multiply_tiles(float (&sums)[4], const uint32_t (&a)[4],
                                               uint32_t b0, uint32_t b1) {
  const float start[4] = {sums[0], sums[1], sums[2], sums[3]};
  multiply_tiles(sums, a, b0, b1, start);
}

/// Two numbers rounded to fp16, to nearest, ties to even; `low` in the lower half.
__device__ __forceinline__ uint32_t halves(float low, float high) {
  return word_of(__floats2half2_rn(low, high));
}
__device__ __forceinline__ float2 floats(uint32_t two_halves) {
  const auto half = [](uint32_t bits) {
    return __half2float(__ushort_as_half(static_cast<unsigned short>(bits)));
  };
  return make_float2(half(two_halves & 0xffff), half(two_halves >> 16));
}

}  // namespace oddity::kernels
