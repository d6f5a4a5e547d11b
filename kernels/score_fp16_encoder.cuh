// The encoder of score_fp16.cu: an image to its latent vector, a strip of rows at a time.
#pragma once

#include "score_fp16_layout.cuh"

namespace oddity::kernels::fp16 {

/// Rows 4·strip … 4·strip + 4 of the first convolution, with what follows it.
__device__ __forceinline__ void first_convolution(const ScoreFp16Weights& weights,
                                                  const uint32_t* image, unsigned char* strip,
                                                  int number, const TileLane& lane) {
  if (number > 0) {  // the last row of the strip before is the first of this one
    for (int i = lane.index; i < kStripColumns * 4; i += kWarp) {
      store_words(strip + strip_at(i >> 2, i & 3),
                  load_words(strip + strip_at(2 * kStripColumns + (i >> 2), i & 3)));
    }
    __syncwarp();
  }
  const TileWords tiles[2] = {__ldg(weights.conv1 + lane.index),
                              __ldg(weights.conv1 + kWarp + lane.index)};
  float2 bias[4], scale[4], shift[4];
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    const int filter = n * 8 + 2 * lane.pair;
    bias[n] = pair_of(weights.conv1_bias, filter);
    scale[n] = pair_of(weights.conv1_scale, filter);
    shift[n] = pair_of(weights.conv1_shift, filter);
  }
#pragma unroll 1
  for (int row = number > 0 ? 1 : 0; row < 5; ++row) {
    const int y = 4 * number + row;
    const int at = (row & 1 ? kStripOdd : 0) + (row >> 1) * kStripColumns;
    if (y >= kMiddle) break;  // padding, of which the second convolution takes no tap
    // Rows of A: even columns, then odd; what lies under the empty fourth row of taps is any row.
    const uint32_t* const in = image + 2 * y * kImageRow + 2 * lane.group + (lane.pair & 1);
    const int second = (lane.pair >> 1) * kImageRow;
    const uint32_t a[4] = {in[second], in[second + 1], in[2 * kImageRow], in[2 * kImageRow + 1]};
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      const TileWords& b = tiles[n >> 1];
      const float start[4] = {bias[n].x, bias[n].y, bias[n].x, bias[n].y};
      float sum[4];
      multiply_tiles(sum, a, n & 1 ? b.z : b.x, n & 1 ? b.w : b.y, start);
      const uint32_t even = halves(fmaf(leaky_relu(sum[0]), scale[n].x, shift[n].x),
                                   fmaf(leaky_relu(sum[1]), scale[n].y, shift[n].y));
      const uint32_t odd = halves(fmaf(leaky_relu(sum[2]), scale[n].x, shift[n].x),
                                  fmaf(leaky_relu(sum[3]), scale[n].y, shift[n].y));
      unsigned char* const to = strip + lane.pair * 4;
      word(to + strip_at(at + lane.group, n)) = lane.group < 7 ? even : 0;  // column 14 is padding
      if (lane.group < 7) word(to + strip_at(at + 8 + lane.group, n)) = odd;
    }
  }
  __syncwarp();
}

/// The last strip of the second convolution's output has one row, and padding below its inputs.
inline constexpr int kStrips = 4;
__device__ __forceinline__ bool is_last(int strip) { return strip == kStrips - 1; }

/// Two rows of the second convolution, or the last, and LeakyReLU, from a strip into its place as
/// features [pixel][64]. A row's seven pixels, one of them twice, are columns of B.
template <int rows>
__device__ __forceinline__ void second_convolution(const ScoreFp16Weights& weights,
                                                   const unsigned char* shared_weights,
                                                   unsigned char* strip, const TileLane& lane) {
  float sums[4][rows][4];  // [16 filters]; rows g and g + 8 of A are neighbouring filters
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    const float2 bias = pair_of(weights.conv2_bias, n * 16 + 2 * lane.group);
#pragma unroll
    for (int row = 0; row < rows; ++row) {
      sums[n][row][0] = sums[n][row][1] = bias.x;
      sums[n][row][2] = sums[n][row][3] = bias.y;
    }
  }
  // The right half of a loaded tile is the second row, which is two rows down in the strip.
  const int first = min(lane.index & 7, 6) + (lane.index >> 4) * kStripColumns;
  constexpr int kNotBelow = 6;  // taps
#pragma unroll
  for (int tap = 0; tap < (rows == 2 ? kTaps : kNotBelow); ++tap) {
    const int row = tap / 3;
    const int column = tap % 3;
    const int at = first + (row & 1 ? kStripOdd : 0) + (row >> 1) * kStripColumns +
                   (column == 1 ? 8 : column >> 1);
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      uint32_t b[4];
      load_tile(b, strip + strip_at(at, 2 * k + (lane.index >> 3 & 1)));
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        const TileWords words =
            load_words(shared_weights + (((tap * 2 + k) * 4 + n) * kWarp + lane.index) * kChunk);
        const uint32_t a[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int r = 0; r < rows; ++r) multiply_tiles(sums[n][r], a, b[2 * r], b[2 * r + 1]);
      }
    }
  }
  __syncwarp();  // all have read the strip, of which the first rows are not needed any more
#pragma unroll
  for (int row = 0; row < rows; ++row) {
    const int pixel = row * 7 + 2 * lane.pair;
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      const float(&sum)[4] = sums[n][row];
      unsigned char* const to = strip + (lane.group & 3) * 4;
      const int chunk = 2 * n + (lane.group >> 2);
      word(to + features_at(pixel, chunk)) = halves(leaky_relu(sum[0]), leaky_relu(sum[2]));
      if (lane.pair < 3) {
        word(to + features_at(pixel + 1, chunk)) = halves(leaky_relu(sum[1]), leaky_relu(sum[3]));
      }
    }
  }
}

/// Whatever the number of warps, a latent number is the sum of eight parts: warp w adds up parts
/// w, w + warps ….
template <typename L>
inline constexpr int kParts = 8 / L::kWarps;

/// Tiles of 16 features in a strip: 14 pixels of 64.
inline constexpr int kStripTiles = 56;

/// Adds a strip's share of the latent vectors of all of the block's images to this warp's parts.
template <typename L>
__device__ __forceinline__ void add_to_latent(const ScoreFp16Weights& weights,
                                              const Place<L>& place, int strip,
                                              float (&parts)[kParts<L>][4]) {
  const TileLane& lane = place.lane;
  // With four warps, columns 4 to 7 repeat the images.
  const unsigned char* const features = place.area(lane.group % L::kWarps) + lane.pair * 4;
  const int tiles = is_last(strip) ? kStripTiles / 2 : kStripTiles;
#pragma unroll 1
  for (int first = place.warp; first < tiles; first += 8) {
#pragma unroll
    for (int part = 0; part < kParts<L>; ++part) {
      const int k = first + part * L::kWarps;
      if (k >= tiles) break;
      const TileWords tile = __ldg(weights.dense1 + (strip * kStripTiles + k) * kWarp + lane.index);
      const uint32_t a[4] = {tile.x, tile.y, tile.z, tile.w};
      const int chunk = (k & 3) * 2;
      multiply_tiles(parts[part], a,
                     *reinterpret_cast<const uint32_t*>(features + features_at(k >> 2, chunk)),
                     *reinterpret_cast<const uint32_t*>(features + features_at(k >> 2, chunk + 1)));
    }
  }
}

/// The parts, on their way to the other warps: [part][16 latent numbers][8 images].
template <typename L>
__device__ __forceinline__ float* parts_of(const Place<L>& place, int warp) {
  static_assert(kParts<L> * 16 * kImages * 4 <= L::kArea);
  return reinterpret_cast<float*>(place.area(warp));
}

template <typename L>
__device__ __forceinline__ void store_parts(const Place<L>& place,
                                            const float (&parts)[kParts<L>][4]) {
#pragma unroll
  for (int part = 0; part < kParts<L>; ++part) {
    float2* const to = reinterpret_cast<float2*>(parts_of(place, place.warp) + part * 16 * kImages +
                                                 place.lane.group * kImages + 2 * place.lane.pair);
    to[0] = make_float2(parts[part][0], parts[part][1]);
    to[8 * kImages / 2] = make_float2(parts[part][2], parts[part][3]);
  }
}

/// Adds the parts up in order, and keeps the vectors as an upper and a lower half.
template <typename L>
__device__ __forceinline__ void finish_latent(const ScoreFp16Weights& weights,
                                              const Place<L>& place) {
  const int image = thread_in_block() % kImages;
  const int pair = thread_in_block() / kImages;
  if (pair >= 8) return;
  float2 sum = pair_of(weights.dense1_bias, 2 * pair);
#pragma unroll
  for (int part = 0; part < 8; ++part) {
    const float* const from =
        parts_of(place, part % L::kWarps) + part / L::kWarps * 16 * kImages + image;
    sum.x += from[2 * pair * kImages];
    sum.y += from[(2 * pair + 1) * kImages];
  }
  const uint32_t upper = halves(sum.x, sum.y);
  const float2 rounded = floats(upper);
  place.latent()[image * 8 + pair] = upper;
  place.latent()[L::kLatentWords + image * 8 + pair] = halves(sum.x - rounded.x, sum.y - rounded.y);
}

}  // namespace oddity::kernels::fp16
