// The decoder of score_fp16.cu: a latent vector to the errors of its image, two tiles of the map's
// pixels at a time.
#pragma once

#include "score_fp16_layout.cuh"

namespace oddity::kernels::fp16 {

/// The latent vectors as B tiles: of the upper and of the lower halves.
struct LatentTiles {
  uint32_t upper[2];
  uint32_t lower[2];
};

template <typename L>
__device__ __forceinline__ LatentTiles load_latent(const Place<L>& place) {
  const uint32_t* const words = place.latent() + place.lane.group * 8 + place.lane.pair;
  return {{words[0], words[4]}, {words[L::kLatentWords], words[L::kLatentWords + 4]}};
}

/// The number in the tiles with which a step begins: two of them, but the first step has the second
/// of its two alone.
__device__ __forceinline__ int first_of(int step) { return (2 * step - 1) * kTilePixels; }

/// Pixels of the map with what follows it, into the rings of all images. A warp's tiles all have
/// the same 16 channels.
template <int pixels, typename L>
__device__ __forceinline__ void map_pixels(const ScoreFp16Weights& weights, const Place<L>& place,
                                           const LatentTiles& latent, int first) {
  const TileLane& lane = place.lane;
  const int channel = (place.warp & 3) * 16 + 2 * lane.group;
  const float2 scale = pair_of(weights.map_scale, channel);
  const float2 shift = pair_of(weights.map_shift, channel);
  constexpr int kAtOnce = L::kWarps / 4;
  const int in_ring = (first + kBefore) % kRingPixels;  // they do not go over its end
#pragma unroll
  for (int i = 0; i < pixels / kAtOnce; ++i) {
    const int pixel = i * kAtOnce + place.warp / 4;
    const int tile = (first + pixel) * 4 + (place.warp & 3);
    const TileWords words = __ldg(weights.map + tile * kWarp + lane.index);
    const uint32_t a[4] = {words.x, words.y, words.z, words.w};
    // Rows g and g + 8 of the tile are neighbouring channels: the sums of a lane are stored as one.
    const float2 bias = pair_of(weights.map_bias, tile * 16 + 2 * lane.group);
    const float start[4] = {bias.x, bias.x, bias.y, bias.y};
    float sum[4];
    multiply_tiles(sum, a, latent.lower[0], latent.lower[1], start);
    multiply_tiles(sum, a, latent.upper[0], latent.upper[1]);
    const int at = ring_at(in_ring + pixel, channel >> 3) + (channel & 7) * 2;
    if (2 * lane.pair < L::kWarps) {  // with four warps the other columns repeat images
      word(place.area(2 * lane.pair) + at) = halves(fmaf(leaky_relu(sum[0]), scale.x, shift.x),
                                                    fmaf(leaky_relu(sum[2]), scale.y, shift.y));
      word(place.area(2 * lane.pair + 1) + at) = halves(fmaf(leaky_relu(sum[1]), scale.x, shift.x),
                                                        fmaf(leaky_relu(sum[3]), scale.y, shift.y));
    }
  }
}

/// Those of a step: eights, and in the first and the last step six more.
template <typename L>
__device__ __forceinline__ void map_step(const ScoreFp16Weights& weights, const Place<L>& place,
                                         int step) {
  const LatentTiles latent = load_latent(place);
  int first = max(first_of(step) - kBefore, 0);
  const int end = min(first_of(step + 1) - kBefore, kMapPixels);
#pragma unroll 1
  for (; first + 8 <= end; first += 8) map_pixels<8>(weights, place, latent, first);
  if (first < end) map_pixels<6>(weights, place, latent, first);
}

/// The sums of the second transposed convolution above a tile's pixels of the map, which are 2 × 2
/// each: [2·odd row + odd column][tile of 8 channels].
using TileSums = float[4][4][4];

/// For the tiles of a step.
template <int tiles, typename L>
__device__ __forceinline__ void transposed_tiles(const ScoreFp16Weights& weights,
                                                 const Place<L>& place, int step,
                                                 TileSums (&sums)[tiles]) {
  const TileLane& lane = place.lane;
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    const float2 bias = pair_of(weights.transposed2_bias, n * 8 + 2 * lane.pair);
#pragma unroll
    for (int i = 0; i < 4 * tiles; ++i) {
      float(&sum)[4] = sums[i >> 2][i & 3][n];
      sum[0] = sum[2] = bias.x;
      sum[1] = sum[3] = bias.y;
    }
  }
  // Inputs are the own pixel, that to the left, that above, and that above to the left.
  constexpr int kRows = tiles;  // nothing is above the first step's tile
  int from[tiles][kRows][2];    // [tile][up][left], in shared memory
#pragma unroll
  for (int i = 0; i < tiles; ++i) {
    const int number = first_of(step) + (2 - tiles + i) * kTilePixels + (lane.index & 15);
    const int column = (number - kBefore) % kMiddle;
    const int in_ring = number % kRingPixels;
#pragma unroll
    for (int left = 0; left < 2; ++left) {
#pragma unroll
      for (int up = 0; up < kRows; ++up) {
        const int back = up * kMiddle + left;
        const bool outside = number - back < kBefore || (left == 1 && column == 0);
        const int at = in_ring - back + (in_ring < back ? kRingPixels : 0);
        from[i][up][left] = outside ? place.zeros() : place.area_at(place.warp) + at * kRingPixel;
      }
    }
  }
  const unsigned char* const taps = place.decoder_weights() + lane.index * kChunk;
#pragma unroll 1
  for (int k = 0; k < 4; ++k) {
#pragma unroll
    for (int input = 0; input < 2 * kRows; ++input) {
      const int up = input >> 1;
      const int left = input & 1;
      const int pixel = lane.index - left - up * kMiddle;
      const int chunk = ((2 * k + (lane.index >> 4)) ^ (pixel & 7)) * kChunk;
      uint32_t a[tiles][4];
#pragma unroll
      for (int i = 0; i < tiles; ++i) {
        load_tile(a[i], place.shared + from[i][up][left] + chunk);
      }
      // An input reaches the odd rows and columns through the tap in the middle alone.
#pragma unroll
      for (int odd_row = 0; odd_row < 2 - up; ++odd_row) {
#pragma unroll
        for (int odd_column = 0; odd_column < 2 - left; ++odd_column) {
          const int tap = (odd_row != 0 ? 1 : 2 * up) * 3 + (odd_column != 0 ? 1 : 2 * left);
          const unsigned char* const at = taps + (tap * 4 + k) * 2 * kWarp * kChunk;
          const TileWords first = load_words(at);
          const TileWords second = load_words(at + kWarp * kChunk);
#pragma unroll
          for (int i = 0; i < tiles; ++i) {
            float(&to)[4][4] = sums[i][2 * odd_row + odd_column];
            multiply_tiles(to[0], a[i], first.x, first.y);
            multiply_tiles(to[1], a[i], first.z, first.w);
            multiply_tiles(to[2], a[i], second.x, second.y);
            multiply_tiles(to[3], a[i], second.z, second.w);
          }
        }
      }
    }
  }
}

/// The last stage: the patches of logits of a step's pixels, and once more the last of them.
template <int tiles>
__device__ __forceinline__ void store_patches(const ScoreFp16Weights& weights,
                                              const TileSums (&sums)[tiles], const TileLane& lane,
                                              unsigned char* patches, unsigned char* kept) {
  const int column = 2 * (lane.pair & 1);
  float logits[tiles][2][4];  // [tile][odd row]
#pragma unroll
  for (int odd = 0; odd < 2; ++odd) {
    const float2 start = pair_of(weights.transposed3_patch, ((lane.pair & 2) + odd) * 4 + column);
#pragma unroll
    for (int i = 0; i < tiles; ++i) {
      logits[i][odd][0] = logits[i][odd][2] = start.x;
      logits[i][odd][1] = logits[i][odd][3] = start.y;
    }
  }
#pragma unroll
  for (int pixel = 0; pixel < 4; ++pixel) {
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const TileWords b = __ldg(weights.transposed3 + (pixel * 2 + k) * kWarp + lane.index);
#pragma unroll
      for (int i = 0; i < tiles; ++i) {
        const float(&left)[4] = sums[i][pixel][2 * k];
        const float(&right)[4] = sums[i][pixel][2 * k + 1];
        const uint32_t a[4] = {halves(leaky_relu(left[0]), leaky_relu(left[1])),
                               halves(leaky_relu(left[2]), leaky_relu(left[3])),
                               halves(leaky_relu(right[0]), leaky_relu(right[1])),
                               halves(leaky_relu(right[2]), leaky_relu(right[3]))};
        multiply_tiles(logits[i][0], a, b.x, b.y);
        multiply_tiles(logits[i][1], a, b.z, b.w);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4 * tiles; ++i) {
    const int half = i & 1;
    const int odd = i >> 1 & 1;
    const float(&sum)[4] = logits[i >> 2][odd];
    const float2 two = make_float2(sum[2 * half], sum[2 * half + 1]);
    const int row = (lane.pair & 2) + odd;
    const int pixel = (2 - tiles + (i >> 2)) * kTilePixels + half * 8 + lane.group;
    *reinterpret_cast<float2*>(patches + patch_at(pixel, row) + column * 4) = two;
    const int last = pixel - (kStepPixels - kKeptPatches);
    if (last >= 0) *reinterpret_cast<float2*>(kept + patch_at(last, row) + column * 4) = two;
  }
}

/// A step of an image: from the ring to the patches, which take the place of its oldest tile.
template <int tiles, typename L>
__device__ __forceinline__ void make_patches(const ScoreFp16Weights& weights, const Place<L>& place,
                                             int step, unsigned char* patches,
                                             unsigned char* kept) {
  TileSums sums[tiles];
  transposed_tiles<tiles>(weights, place, step, sums);
  __syncwarp();  // all have read the ring
  store_patches<tiles>(weights, sums, place.lane, patches, kept);
  __syncwarp();
}

/// What a step adds to the rows of logits around a lane's pixel, in the pixel's two columns: the
/// middle of its own patch, and of both neighbours' the columns next to it. A lane's pixel is the
/// one before the step's pixel of that number, since the one behind is needed, too.
__device__ __forceinline__ void load_logits(const unsigned char* patches, const unsigned char* kept,
                                            int pixel, int lane, float (&logits)[4][2]) {
  const bool exists = pixel >= 0 && pixel < kMapPixels;
  const bool has_left = exists && pixel % kMiddle != 0;
  const bool has_right = exists && pixel % kMiddle != kMiddle - 1;
  const unsigned char* const own = lane > 0 ? patches : kept;
  const unsigned char* const beyond = lane > 0 ? patches : kept + 3 * sizeof(float);
#pragma unroll
  for (int row = 0; row < 4; ++row) {
    const auto at = [&](const unsigned char* from, int number) {
      return reinterpret_cast<const float*>(from + patch_at(number, row));
    };
    const float4 patch = load4(at(own, lane > 0 ? lane - 1 : kKeptPatches - 1));
    const float outside = *at(beyond, lane > 0 ? kStepPixels - 1 : 0);
    const float left = __shfl_up_sync(kAllLanes, patch.w, 1);
    const float right = __shfl_down_sync(kAllLanes, patch.x, 1);
    logits[row][0] = exists ? patch.y : 0.0f;
    logits[row][1] = exists ? patch.z : 0.0f;
    if (has_left) logits[row][0] += lane > 0 ? left : outside;
    if (has_right) logits[row][1] += lane < kWarp - 1 ? right : outside;
  }
}

/// The image's 2 × 2 bytes where a pixel of the map is; none beyond the map.
struct Targets {
  uint16_t rows[2];
  bool exist;

  __device__ Targets(const uint8_t* image, int pixel)
      : rows{0, 0}, exist(pixel >= 0 && pixel < kMapPixels) {
    if (!exist) return;
    const uint8_t* const at = image + pixel / kMiddle * 2 * kSide + pixel % kMiddle * 2;
    rows[0] = __ldg(reinterpret_cast<const uint16_t*>(at));
    rows[1] = __ldg(reinterpret_cast<const uint16_t*>(at + kSide));
  }
};

__device__ __forceinline__ float squared_error(float logit, int byte, float error) {
  const float pixel = float(byte) * (1.0f / 255);
  const float difference = __fdividef(1.0f, 1.0f + __expf(-logit)) - pixel;
  return fmaf(difference, difference, error);
}

__device__ __forceinline__ float squared_errors(const float (&logits)[2][2], const Targets& targets,
                                                float error) {
  if (!targets.exist) return error;
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    error = squared_error(logits[row][0], targets.rows[row] & 255, error);
    error = squared_error(logits[row][1], targets.rows[row] >> 8, error);
  }
  return error;
}

/// The decoder, for this warp's image: its sum of squared errors, a part of it in each lane.
template <typename L>
__device__ __forceinline__ float decode(const ScoreFp16Weights& weights, const Place<L>& place,
                                        const uint8_t* image) {
  const int lane = place.lane.index;
  unsigned char* const kept = place.area() + kRingBytes;
  // The logits of a lane's pixel, which lack what the pixels below it add in the next step; and
  // what pixels of this step add to those of the next, which are below them.
  float unfinished[2][2] = {};
  float from_above[2] = {};
  const bool below_follows = lane >= kStepPixels - kMiddle;
  float error = 0;
#pragma unroll 1
  for (int step = 0; step < kSteps; ++step) {
    const int pixel = first_of(step) - kBefore - 1 + lane;
    map_step(weights, place, step);
    __syncthreads();
    unsigned char* const patches = place.area() + (2 * step + 1) % 3 * kTilePixels * kRingPixel;
    unsigned char* const keep = kept + (step & 1) * kKeptBytes;
    if (step == 0) {
      make_patches<1>(weights, place, step, patches, keep);
    } else {
      make_patches<2>(weights, place, step, patches, keep);
    }
    const Targets targets(image, pixel - kStepPixels);
    float logits[4][2];
    load_logits(patches, kept + (~step & 1) * kKeptBytes, pixel, lane, logits);
#pragma unroll
    for (int column = 0; column < 2; ++column) {
      const float below = __shfl_sync(kAllLanes, logits[0][column], (lane + kMiddle) % kWarp);
      const float above =
          __shfl_sync(kAllLanes, logits[3][column], (lane + kWarp - kMiddle) % kWarp);
      if (below_follows) unfinished[1][column] += below;
      logits[1][column] += lane < kMiddle ? from_above[column] : above;
      if (!below_follows) logits[2][column] += below;
      from_above[column] = above;
    }
    error = squared_errors(unfinished, targets, error);
#pragma unroll
    for (int column = 0; column < 2; ++column) {
      unfinished[0][column] = logits[1][column];
      unfinished[1][column] = logits[2][column];
    }
    __syncthreads();  // the next step, or the next image, writes what other warps have read
  }
  const int pixel = first_of(kSteps - 1) - kBefore - 1 + lane;
  return squared_errors(unfinished, Targets(image, pixel), error);
}

}  // namespace oddity::kernels::fp16
