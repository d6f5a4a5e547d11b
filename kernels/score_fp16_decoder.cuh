// The decoder of score_fp16.cu: a latent vector to the errors of its image, four rows at a time.
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

/// Row −1 and column −1 of the ring are padding; row −1 lies in slot 2.
__device__ __forceinline__ void clear_ring_padding(unsigned char* ring, int lane) {
  for (int i = lane; i < kRingRow / kChunk; i += kWarp) {
    store_words(ring + 2 * kRingRow + i * kChunk, make_uint4(0, 0, 0, 0));
  }
  if (lane < 16) {
    store_words(ring + (lane >> 3) * kRingRow + (lane & 7) * kChunk, make_uint4(0, 0, 0, 0));
  }
}

/// Rows 2·step and 2·step + 1 of the map, with what follows it, into the rings of all images. A
/// warp's tiles all have the same 16 channels.
template <typename L>
__device__ __forceinline__ void map_rows(const ScoreFp16Weights& weights, const Place<L>& place,
                                         const LatentTiles& latent, int step,
                                         const int (&slots)[2]) {
  const TileLane& lane = place.lane;
  const int channel = (place.warp & 3) * 16 + 2 * lane.group;
  const float2 scale = pair_of(weights.map_scale, channel);
  const float2 shift = pair_of(weights.map_shift, channel);
  constexpr int kRowTiles = kMiddle * 4;
  constexpr int kPerRow = kRowTiles / L::kWarps;
#pragma unroll
  for (int i = 0; i < 2 * kPerRow; ++i) {
    const int tile = step * 2 * kRowTiles + i * L::kWarps + place.warp;
    const int column = 1 + (i % kPerRow * L::kWarps + place.warp) / 4;
    const TileWords words = __ldg(weights.map + tile * kWarp + lane.index);
    const uint32_t a[4] = {words.x, words.y, words.z, words.w};
    // Rows g and g + 8 of the tile are neighbouring channels: the sums of a lane are stored as one.
    const float2 bias = pair_of(weights.map_bias, tile * 16 + 2 * lane.group);
    const float start[4] = {bias.x, bias.x, bias.y, bias.y};
    float sum[4];
    multiply_tiles(sum, a, latent.lower[0], latent.lower[1], start);
    multiply_tiles(sum, a, latent.upper[0], latent.upper[1]);
    const int at =
        slots[i / kPerRow] * kRingRow + ring_at(column, channel >> 3) + (channel & 7) * 2;
    if (2 * lane.pair < L::kWarps) {  // with four warps the other columns repeat images
      word(place.area(2 * lane.pair) + at) = halves(fmaf(leaky_relu(sum[0]), scale.x, shift.x),
                                                    fmaf(leaky_relu(sum[2]), scale.y, shift.y));
      word(place.area(2 * lane.pair + 1) + at) = halves(fmaf(leaky_relu(sum[1]), scale.x, shift.x),
                                                        fmaf(leaky_relu(sum[3]), scale.y, shift.y));
    }
  }
}

/// The sums of rows 4·step + 2r + odd_row of the second transposed convolution, r = 0 and 1, at its
/// even (0) and odd (1) columns: [r][odd column][tile of 8 channels].
using RowSums = float[2][2][4][4];

template <bool kOddRow>
__device__ __forceinline__ void transposed_rows(const ScoreFp16Weights& weights,
                                                const unsigned char* shared_weights,
                                                const unsigned char* ring, int before,
                                                const int (&slots)[2], const TileLane& lane,
                                                RowSums& sums) {
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    const float2 bias = pair_of(weights.transposed2_bias, n * 8 + 2 * lane.pair);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      sums[i >> 1][i & 1][n][0] = sums[i >> 1][i & 1][n][2] = bias.x;
      sums[i >> 1][i & 1][n][1] = sums[i >> 1][i & 1][n][3] = bias.y;
    }
  }
  const int column = min(lane.index & 15, kMiddle - 1);
#pragma unroll 2  // all four, and the compiler runs out of registers on sm_120
  for (int k = 0; k < 4; ++k) {
#pragma unroll
    for (int left = 0; left < 2; ++left) {  // inputs of the own column, then of that to the left
      const unsigned char* const at = ring + ring_at(column + 1 - left, 2 * k + (lane.index >> 4));
      uint32_t rows[3][4];  // the row above, and the two of this step
      if (!kOddRow) load_tile(rows[0], at + before * kRingRow);
      load_tile(rows[1], at + slots[0] * kRingRow);
      load_tile(rows[2], at + slots[1] * kRingRow);
#pragma unroll
      for (int up = 0; up < (kOddRow ? 1 : 2); ++up) {  // inputs of the own row, then of that above
#pragma unroll
        for (int odd = 0; odd < 2 - left; ++odd) {
          const int tap = (kOddRow ? 1 : 2 * up) * 3 + (odd != 0 ? 1 : 2 * left);
          const unsigned char* const tiles =
              shared_weights + ((tap * 4 + k) * 2 * kWarp + lane.index) * kChunk;
          const TileWords first = load_words(tiles);
          const TileWords second = load_words(tiles + kWarp * kChunk);
#pragma unroll
          for (int r = 0; r < 2; ++r) {
            const uint32_t(&a)[4] = rows[1 + r - up];
            float(&to)[4][4] = sums[r][odd];
            multiply_tiles(to[0], a, first.x, first.y);
            multiply_tiles(to[1], a, first.z, first.w);
            multiply_tiles(to[2], a, second.x, second.y);
            multiply_tiles(to[3], a, second.z, second.w);
          }
        }
      }
    }
  }
}

/// The last stage's weights, and what a tap adds anyway.
struct LastStage {
  TileWords tiles[2];
  float tap[4];  // of taps 2t, 2t + 1, and, where t = 0, of the ninth

  __device__ LastStage(const ScoreFp16Weights& weights, const TileLane& lane)
      : tiles{__ldg(weights.transposed3 + lane.index),
              __ldg(weights.transposed3 + kWarp + lane.index)},
        tap{__ldg(weights.transposed3_tap + 2 * lane.pair),
            __ldg(weights.transposed3_tap + 2 * lane.pair + 1),
            lane.pair == 0 ? __ldg(weights.transposed3_tap + 8) : 0.0f, 0.0f} {}
};

/// What each pixel of a row gives through each tap of the last stage: [tap][column].
__device__ __forceinline__ void row_taps(const LastStage& last, const float (&row)[2][4][4],
                                         float* taps, const TileLane& lane) {
#pragma unroll
  for (int odd = 0; odd < 2; ++odd) {
    float sums[4] = {last.tap[0], last.tap[1], last.tap[0], last.tap[1]};
    float ninth[4] = {last.tap[2], last.tap[3], last.tap[2], last.tap[3]};
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const float(&left)[4] = row[odd][2 * k];
      const float(&right)[4] = row[odd][2 * k + 1];
      const uint32_t a[4] = {halves(leaky_relu(left[0]), leaky_relu(left[1])),
                             halves(leaky_relu(left[2]), leaky_relu(left[3])),
                             halves(leaky_relu(right[0]), leaky_relu(right[1])),
                             halves(leaky_relu(right[2]), leaky_relu(right[3]))};
      multiply_tiles(sums, a, last.tiles[k].x, last.tiles[k].y);
      multiply_tiles(ninth, a, last.tiles[k].z, last.tiles[k].w);
    }
    float* const to = taps + odd * kMiddle + lane.group;
    to[2 * lane.pair * kSide] = sums[0];
    to[(2 * lane.pair + 1) * kSide] = sums[1];
    if (lane.pair == 0) to[8 * kSide] = ninth[0];
    if (lane.group < 6) {
      to[2 * lane.pair * kSide + 8] = sums[2];
      to[(2 * lane.pair + 1) * kSide + 8] = sums[3];
      if (lane.pair == 0) to[8 * kSide + 8] = ninth[2];
    }
  }
}

/// Adds a row's taps to the three rows of logits that they reach; a lane a column.
__device__ __forceinline__ void gather_taps(const float* taps, int lane, float* logits) {
#pragma unroll
  for (int kx = 0; kx < 3; ++kx) {
    const int x = lane + 1 - kx;
    if (x < 0 || x >= kSide) continue;
    const float* const from = taps + kx * kSide + (x & 1) * kMiddle + (x >> 1);
    logits[0] += from[0];
    logits[1] += from[3 * kSide];
    logits[2] += from[6 * kSide];
  }
}

__device__ __forceinline__ float squared_error(float logit, float pixel, float error) {
  const float difference = __fdividef(1.0f, 1.0f + __expf(-logit)) - pixel;
  return fmaf(difference, difference, error);
}

/// The decoder, for this warp's image: its sum of squared errors, a part of it in each lane.
template <typename L>
__device__ __forceinline__ float decode(const ScoreFp16Weights& weights, const Place<L>& place,
                                        const uint8_t* pixels) {
  const TileLane& lane = place.lane;
  unsigned char* const ring = place.area();
  float* const taps = reinterpret_cast<float*>(ring + kRingBytes);
  const LatentTiles latent = load_latent(place);
  const LastStage last(weights, lane);
  const bool has_column = lane.index < kSide;
  const auto pixel = [&](int row) {
    return has_column ? float(__ldg(pixels + row * kSide + lane.index)) * (1.0f / 255) : 0.0f;
  };

  float unfinished[2] = {0, 0};  // logits of the two rows that the next step adds to
  float error = 0;
#pragma unroll 1
  for (int step = 0; step < kMiddle / 2; ++step) {
    const int before = (2 * step + 2) % 3;
    const int slots[2] = {2 * step % 3, (2 * step + 1) % 3};
    float target[4];  // of rows 4·step − 1 … 4·step + 2
#pragma unroll
    for (int i = 0; i < 4; ++i) target[i] = 4 * step + i > 0 ? pixel(4 * step + i - 1) : 0.0f;
    map_rows(weights, place, latent, step, slots);
    __syncthreads();
    float logits[6] = {unfinished[0], unfinished[1], 0, 0, 0, 0};  // of rows 4·step − 1 …
    const auto finish_rows = [&]<int odd_row>() {
      RowSums sums;
      transposed_rows<odd_row == 1>(weights, place.decoder_weights(), ring, before, slots, lane,
                                    sums);
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        row_taps(last, sums[r], taps + r % L::kTapRows * kTapRow, lane);
        if (r + 1 < L::kTapRows) continue;
        __syncwarp();
        if (has_column) {
#pragma unroll
          for (int i = r + 1 - L::kTapRows; i <= r; ++i) {
            gather_taps(taps + i % L::kTapRows * kTapRow, lane.index, logits + 2 * i + odd_row);
          }
        }
        __syncwarp();
      }
    };
    finish_rows.template operator()<0>();
    finish_rows.template operator()<1>();
    unfinished[0] = logits[4];
    unfinished[1] = logits[5];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (has_column && 4 * step + i > 0) {
        error = squared_error(logits[i] + weights.transposed3_bias, target[i], error);
      }
    }
    __syncthreads();  // the next step, or the next image, writes what other warps have read
  }
  if (has_column) {
    error = squared_error(unfinished[0] + weights.transposed3_bias, pixel(kSide - 1), error);
  }
  return error;
}

}  // namespace oddity::kernels::fp16
