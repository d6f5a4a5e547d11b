// Where everything lies while score_fp16.cu scores: in shared memory, and between the warps.
#pragma once

#include "conv2d.h"
#include "score_fp16.h"
#include "tensor.cuh"

namespace oddity::kernels::fp16 {

inline constexpr int kSide = 28;
inline constexpr int kPixels = kSide * kSide;
inline constexpr int kMiddle = 14;  // side after the first convolution, and after the map
inline constexpr int kTaps = 9;
inline constexpr int kChunk = 16;  // bytes that are moved together: 8 channels
inline constexpr int kImages = 8;  // columns of the products with latent vectors

// An image as fp16: 32 numbers a row, zeros behind the 28, a row of zeros below.
inline constexpr int kImageRow = 16;  // words
inline constexpr int kImageWords = (kSide + 1) * kImageRow + 4;
// A strip of the first convolution's output: rows 0, 2, 4, then 1 and 3; in a row columns 0, 2 …
// 14, then 1, 3 … 13, column 14 being padding: what one tap reads lies together.
inline constexpr int kStripColumns = kMiddle + 1;
inline constexpr int kStripPixel = 64;  // bytes: 32 channels
inline constexpr int kStripOdd = 3 * kStripColumns;
inline constexpr int kStripBytes = 5 * kStripColumns * kStripPixel;
// The pixels of the map, one row behind the other, are cut into tiles of 16, which go on over the
// ends of rows; but the first row is a tile of its own, as nothing is above it: pixel p is number
// p + 2 of the tiles. A ring of three tiles is the two of a step and the one before them.
inline constexpr int kMapPixels = kMiddle * kMiddle;
inline constexpr int kTilePixels = 16;
inline constexpr int kBefore = kTilePixels - kMiddle;  // numbers without a pixel
inline constexpr int kStepPixels = 2 * kTilePixels;
inline constexpr int kSteps = 7;        // the first of them with one tile
inline constexpr int kRingPixel = 128;  // bytes: 64 channels
inline constexpr int kRingPixels = 3 * kTilePixels;
inline constexpr int kRingBytes = kRingPixels * kRingPixel;
// What a pixel of the map adds to the logits: 4 × 4 of them, its own being the four in the middle.
// Those of a step lie in the ring where its oldest tile was, but the last two are kept beside it,
// in turns of two steps.
inline constexpr int kPatch = 64;  // bytes
inline constexpr int kKeptPatches = 2;
inline constexpr int kKeptBytes = kKeptPatches * kPatch;
static_assert(kStepPixels * kPatch == kTilePixels * kRingPixel);
// Weights of the second stage of either direction.
inline constexpr int kConvBytes = kTaps * 32 * 64 * 2;

/// Shared memory of a block: the weights, zeros, an area for each warp, the latent vectors.
template <int warps, bool resident>
struct Layout {
  static constexpr int kWarps = warps;
  static constexpr int kThreads = warps * kWarp;
  static constexpr bool kResident = resident;  // both sets of weights stay

  static constexpr int kEncoder = kStripBytes + kImageWords * 4;
  static constexpr int kDecoder = kRingBytes + 2 * kKeptBytes;
  static constexpr int kNeeded = kEncoder > kDecoder ? kEncoder : kDecoder;
  // 16 bytes past a multiple of 128: the areas' equal places lie in different banks.
  static constexpr int kArea = (kNeeded + 111) / 128 * 128 + 16;
  static constexpr int kZeros = (kResident ? 2 : 1) * kConvBytes;
  static constexpr int kZeroBytes = 256;  // a pixel's, wherever between the banks it begins
  static constexpr int kAreas = kZeros + kZeroBytes;
  static constexpr int kLatent = kAreas + kWarps * kArea;
  static constexpr int kLatentWords = kImages * 8;  // of the upper halves, and of the lower
  static constexpr int kBytes = kLatent + 2 * kLatentWords * 4;
};
using Small = Layout<4, false>;
using Medium = Layout<8, false>;
using Large = Layout<8, true>;

// The places of a chunk in a strip, in the ring, and in two rows of the second convolution's
// output, and of a row in a step's patches: the exclusive or spreads neighbouring pixels over all
// banks.
__device__ __forceinline__ int strip_at(int pixel, int chunk) {
  return pixel * kStripPixel + ((chunk ^ (pixel >> 1 & 3)) * kChunk);
}
__device__ __forceinline__ int ring_at(int pixel, int chunk) {
  return pixel * kRingPixel + ((chunk ^ (pixel & 7)) * kChunk);
}
__device__ __forceinline__ int features_at(int pixel, int chunk) {
  return pixel * 128 + ((chunk ^ (pixel & 7)) * kChunk);
}
__device__ __forceinline__ int patch_at(int pixel, int row) {
  return pixel * kPatch + ((row ^ (pixel >> 1 & 3)) * kChunk);
}

__device__ __forceinline__ uint32_t& word(unsigned char* at) {
  return *reinterpret_cast<uint32_t*>(at);
}
__device__ __forceinline__ float2 pair_of(const float* numbers, int first) {
  return __ldg(reinterpret_cast<const float2*>(numbers + first));
}
__device__ __forceinline__ float leaky_relu(float x) { return fmaxf(x, kLeakyReluSlope * x); }

/// A block's shared memory, and this thread's place in it.
template <typename L>
struct Place {
  unsigned char* shared;
  int warp;
  TileLane lane;

  __device__ unsigned char* encoder_weights() const { return shared; }
  __device__ unsigned char* decoder_weights() const {
    return shared + (L::kResident ? kConvBytes : 0);
  }
  /// A pixel of zeros, which lies between the banks as this warp's area does.
  __device__ int zeros() const { return L::kZeros + area_at(warp) % 128; }
  __device__ int area_at(int of_warp) const { return L::kAreas + of_warp * L::kArea; }
  __device__ unsigned char* area(int of_warp) const { return shared + area_at(of_warp); }
  __device__ unsigned char* area() const { return area(warp); }
  /// The latent vectors' upper halves [image][8 words], then the lower.
  __device__ uint32_t* latent() const { return reinterpret_cast<uint32_t*>(shared + L::kLatent); }
};

template <typename L>
__device__ __forceinline__ void copy_weights(unsigned char* to, const TileWords* from) {
  for (int i = thread_in_block(); i < kConvBytes / kChunk; i += L::kThreads) {
    store_words(to + i * kChunk, __ldg(from + i));
  }
}

template <typename L>
__device__ __forceinline__ void clear_zeros(unsigned char* shared) {
  const int i = thread_in_block();
  if (i < L::kZeroBytes / kChunk) {
    store_words(shared + L::kZeros + i * kChunk, make_uint4(0, 0, 0, 0));
  }
}

__device__ __forceinline__ void load_image(uint32_t* image, const uint8_t* pixels, int lane) {
#pragma unroll
  for (int i = lane; i < kSide * 8; i += kWarp) {
    const int row = i >> 3;
    const int quad = i & 7;
    const uint32_t four =
        quad < 7 ? __ldg(reinterpret_cast<const uint32_t*>(pixels) + row * 7 + quad) : 0;
    image[row * kImageRow + 2 * quad] = halves_of_bytes(four & 255, four >> 8 & 255);
    image[row * kImageRow + 2 * quad + 1] = halves_of_bytes(four >> 16 & 255, four >> 24);
  }
  if (lane < kImageWords - kSide * kImageRow) image[kSide * kImageRow + lane] = 0;
}

}  // namespace oddity::kernels::fp16
