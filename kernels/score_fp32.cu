// An image is one warp's work, row by row, so that no more than three rows of any map are ever
// stored. A lane is an output channel: weights are read side by side, and activations, four
// channels at a time, are broadcast from shared memory to all lanes. Sums are kept in registers for
// a whole row of outputs. One step is done by all warps for all images of the block: the decoder's
// map from the latent vector, whose 803 KB of weights are then read once for eight images.
//
// Bound by the FMA units: of a transposed convolution's inner loop nine instructions in ten are
// FMAs. The sums take most of an SM's registers, so a block has an SM to itself; being independent
// of one another, 14 and more in a thread, they hide the latency that more warps would.
#include "conv2d.h"
#include "device.cuh"
#include "score_fp32.h"

namespace oddity::kernels {
namespace {

constexpr int kImages = 8;  // of a block
constexpr int kThreads = kImages * kWarp;

constexpr int kSide = 28;  // of the image and the maps
constexpr int kHalf = 14;
constexpr int kQuarter = 7;
constexpr int kPixels = kSide * kSide;
constexpr int kFew = 32;   // channels of the outer maps
constexpr int kMany = 64;  // and of the inner ones
constexpr int kLatent = 16;
constexpr int kTaps = 9;
static_assert(kFew == kWarp && kMany == 2 * kWarp, "a lane is one channel, or two");

/// A warp's rows, [column][channel]; the decoder begins when the encoder has ended.
union Rows {
  struct Encoder {
    float first[3][kHalf * kFew];    // the last three rows of the first map: row y at y % 3
    float second[kQuarter * kMany];  // one of the second
  } encoder;
  float inner[kHalf * kMany];    // one row of the decoder's first map,
  float outer[2][kSide * kFew];  // then two of its second, swizzled
};

struct alignas(16) Shared {
  Rows rows[kImages];
  float latent[kImages][kLatent];
};

__device__ __forceinline__ float leaky_relu(float x) { return fmaxf(x, kLeakyReluSlope * x); }

/// sum + the products of four channels, in their order.
__device__ __forceinline__ float add_products(float sum, float4 x, const float (&weights)[4]) {
  sum = fmaf(x.x, weights[0], sum);
  sum = fmaf(x.y, weights[1], sum);
  sum = fmaf(x.z, weights[2], sum);
  return fmaf(x.w, weights[3], sum);
}

/// The output column that a convolution of stride 2 adds column x to by its kernel's column kx; −1
/// where it is none.
__device__ constexpr int column_reached(int x, int kx) {
  return x < kx || (x - kx) % 2 != 0 ? -1 : (x - kx) / 2;
}

// ---- Encoder -----------------------------------------------------------------------------------

/// Adds a row of pixels, weighed by a row of this lane's kernel, to a row of sums.
__device__ __forceinline__ void add_pixels(const uint8_t* row, const float (&kernel)[kTaps], int ky,
                                           float (&sums)[kHalf]) {
#pragma unroll
  for (int quad = 0; quad < kSide / 4; ++quad) {
    const uchar4 bytes = reinterpret_cast<const uchar4*>(row)[quad];
    const float pixels[4] = {float(bytes.x), float(bytes.y), float(bytes.z), float(bytes.w)};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int kx = 0; kx < 3; ++kx) {
        const int column = column_reached(4 * quad + i, kx);
        if (column < 0) continue;
        sums[column] = fmaf(pixels[i], kernel[ky * 3 + kx], sums[column]);
      }
    }
  }
}

/// Rows first … last − 1 of the first map, this lane's channel.
__device__ __forceinline__ void convolve_pixels(const ScoreFp32Weights& weights,
                                                const uint8_t* pixels, int first, int last,
                                                int lane, Rows::Encoder& rows) {
  float kernel[kTaps];
#pragma unroll
  for (int tap = 0; tap < kTaps; ++tap) kernel[tap] = weights.conv1_kernel[tap * kFew + lane];
  const float bias = weights.conv1_bias[lane];
  const float scale = weights.conv1_scale[lane];
  const float shift = weights.conv1_shift[lane];
#pragma unroll 1
  for (int y = first; y < last; ++y) {
    float sums[kHalf];
#pragma unroll
    for (float& sum : sums) sum = bias;
#pragma unroll
    for (int ky = 0; ky < 3; ++ky) {
      if (2 * y + ky == kSide) continue;  // padding
      add_pixels(pixels + (2 * y + ky) * kSide, kernel, ky, sums);
    }
    float* const row = rows.first[y % 3] + lane;
#pragma unroll
    for (int x = 0; x < kHalf; ++x) row[x * kFew] = fmaf(leaky_relu(sums[x]), scale, shift);
  }
}

/// Row y of the second map, channels lane and lane + 32, from rows 2y … 2y + 2 of the first.
__device__ __forceinline__ void convolve_row(const ScoreFp32Weights& weights, int y, int lane,
                                             Rows::Encoder& rows) {
  float sums[2][kQuarter];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float bias = weights.conv2_bias[half * kWarp + lane];
#pragma unroll
    for (float& sum : sums[half]) sum = bias;
  }
#pragma unroll 1
  for (int channel = 0; channel < kFew; channel += 4) {
#pragma unroll
    for (int ky = 0; ky < 3; ++ky) {
      if (2 * y + ky == kHalf) continue;  // padding
      float kernel[3][2][4];
#pragma unroll
      for (int kx = 0; kx < 3; ++kx) {
        const float* const tap =
            weights.conv2_kernel + ((ky * 3 + kx) * kFew + channel) * kMany + lane;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          kernel[kx][0][i] = tap[i * kMany];
          kernel[kx][1][i] = tap[i * kMany + kWarp];
        }
      }
      const float* const row = rows.first[(2 * y + ky) % 3] + channel;
#pragma unroll
      for (int x = 0; x < kHalf; ++x) {
        const float4 four = load4(row + x * kFew);
#pragma unroll
        for (int kx = 0; kx < 3; ++kx) {
          const int column = column_reached(x, kx);
          if (column < 0) continue;
          sums[0][column] = add_products(sums[0][column], four, kernel[kx][0]);
          sums[1][column] = add_products(sums[1][column], four, kernel[kx][1]);
        }
      }
    }
  }
#pragma unroll
  for (int x = 0; x < kQuarter; ++x) {
    rows.second[x * kMany + lane] = leaky_relu(sums[0][x]);
    rows.second[x * kMany + kWarp + lane] = leaky_relu(sums[1][x]);
  }
}

/// What a row of the second map adds to latent number lane % 16; the two halves of a warp share the
/// row's numbers.
__device__ __forceinline__ float latent_of_row(const ScoreFp32Weights& weights, int y, int lane,
                                               const Rows::Encoder& rows) {
  constexpr int kShare = kQuarter * kMany / 2;
  const int begin = lane / kLatent * kShare;
  const float* kernel =
      weights.latent_kernel + (y * kQuarter * kMany + begin) * kLatent + lane % kLatent;
  float sums[4] = {};  // four chains of additions instead of one
#pragma unroll 4
  for (int i = 0; i < kShare; i += 4) {
    const float4 four = load4(rows.second + begin + i);
    sums[0] = fmaf(four.x, kernel[0], sums[0]);
    sums[1] = fmaf(four.y, kernel[kLatent], sums[1]);
    sums[2] = fmaf(four.z, kernel[2 * kLatent], sums[2]);
    sums[3] = fmaf(four.w, kernel[3 * kLatent], sums[3]);
    kernel += 4 * kLatent;
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Latent number lane % 16 of a warp's image.
__device__ __forceinline__ float encode(const ScoreFp32Weights& weights, const uint8_t* pixels,
                                        int lane, Rows::Encoder& rows) {
  float latent = 0;
#pragma unroll 1
  for (int y = 0; y < kQuarter; ++y) {
    // Row 2y was the last one of the row before.
    convolve_pixels(weights, pixels, y == 0 ? 0 : 2 * y + 1, min(2 * y + 3, kHalf), lane, rows);
    __syncwarp();
    convolve_row(weights, y, lane, rows);
    __syncwarp();
    latent += latent_of_row(weights, y, lane, rows);
  }
  latent += __shfl_xor_sync(kAllLanes, latent, kLatent);
  return latent + weights.latent_bias[lane % kLatent];
}

// ---- Decoder -----------------------------------------------------------------------------------

/// Row y of the decoder's first map for all images of the block, by all its threads.
__device__ __forceinline__ void map_row(const ScoreFp32Weights& weights, int y, Shared& shared) {
  constexpr int kRow = kHalf * kMany;
#pragma unroll 1
  for (int i = int(threadIdx.x); i < kRow; i += kThreads) {
    const float* const map = weights.map + (y * kRow + i) * kLatent;
    float sums[kImages];
#pragma unroll
    for (float& sum : sums) sum = weights.map_bias[y * kRow + i];
#pragma unroll
    for (int l = 0; l < kLatent; l += 4) {
      const float4 four = load4(map + l);
      const float row[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int image = 0; image < kImages; ++image) {
        sums[image] = add_products(sums[image], load4(shared.latent[image] + l), row);
      }
    }
    const float scale = weights.map_scale[i % kMany];
    const float shift = weights.map_shift[i % kMany];
#pragma unroll
    for (int image = 0; image < kImages; ++image) {
      shared.rows[image].inner[i] = fmaf(leaky_relu(sums[image]), scale, shift);
    }
  }
}

/// Adds a row of the decoder's first map to the three rows of the second that it reaches, this
/// lane's channel.
__device__ __forceinline__ void transpose_row(const ScoreFp32Weights& weights, const float* row,
                                              int lane, float (&sums)[3][kSide]) {
#pragma unroll 1
  for (int channel = 0; channel < kMany; channel += 4) {
    // One address, from which all weights lie at constant distances.
    const float* const first = weights.transposed2_kernel + channel * kFew + lane;
    float kernel[kTaps][4];
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
#pragma unroll
      for (int i = 0; i < 4; ++i) kernel[tap][i] = first[(tap * kMany + i) * kFew];
    }
#pragma unroll
    for (int x = 0; x < kHalf; ++x) {
      const float4 four = load4(row + x * kMany + channel);
#pragma unroll
      for (int kx = 0; kx < 3; ++kx) {
        const int column = 2 * x + kx;
        if (column == kSide) continue;  // dropped
#pragma unroll
        for (int ky = 0; ky < 3; ++ky) {
          sums[ky][column] = add_products(sums[ky][column], four, kernel[ky * 3 + kx]);
        }
      }
    }
  }
}

/// Where a channel of a column lies in Rows::outer: neither the lanes of a column nor the columns
/// of a channel meet in a bank of shared memory.
__device__ __forceinline__ int swizzled(int column, int channel) {
  return column * kFew + ((channel / 4) ^ (column % 8)) * 4 + channel % 4;
}

/// Adds two neighbouring rows of the decoder's second map to the four rows of logits around them,
/// where a lane is a column; what lanes 28 … 31 add up is of no use.
__device__ __forceinline__ void transpose_to_logits(const ScoreFp32Weights& weights, int lane,
                                                    const Rows& rows, float (&logits)[4]) {
  const int column = min(lane, kSide - 1);
  float taps[2][kTaps] = {};
#pragma unroll
  for (int channel = 0; channel < kFew; channel += 4) {
    const float4 upper = load4(rows.outer[0] + swizzled(column, channel));
    const float4 lower = load4(rows.outer[1] + swizzled(column, channel));
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      const float* const at = weights.transposed3_kernel + tap * kFew + channel;
      const float kernel[4] = {at[0], at[1], at[2], at[3]};
      taps[0][tap] = add_products(taps[0][tap], upper, kernel);
      taps[1][tap] = add_products(taps[1][tap], lower, kernel);
    }
  }
#pragma unroll
  for (int row = 0; row < 2; ++row) {
#pragma unroll
    for (int ky = 0; ky < 3; ++ky) {
      // A column reaches the one before it by kx = 0 and the one behind it by kx = 2.
      const float right = __shfl_down_sync(kAllLanes, taps[row][ky * 3], 1);
      const float left = __shfl_up_sync(kAllLanes, taps[row][ky * 3 + 2], 1);
      logits[row + ky] +=
          (lane < kSide - 1 ? right : 0) + taps[row][ky * 3 + 1] + (lane > 0 ? left : 0);
    }
  }
}

/// error + (x − sigmoid(logit))² of this lane's column; 0 is added in lanes that have none.
__device__ __forceinline__ float add_error(float error, float logit, const uint8_t* row, int lane) {
  if (lane >= kSide) return error;
  const float difference = 1.0f / (1.0f + expf(-logit)) - float(row[lane]) / 255.0f;
  return fmaf(difference, difference, error);
}

/// The sum of a warp's image's squared errors, from the latent vectors in `shared`. All threads of
/// the block take part.
__device__ __forceinline__ float decode(const ScoreFp32Weights& weights, const uint8_t* pixels,
                                        int lane, Rows& rows, Shared& shared) {
  const float bias = weights.transposed2_bias[lane];
  const float scale = weights.transposed2_scale[lane];
  const float shift = weights.transposed2_shift[lane];
  // Rows 2y, 2y + 1 and 2y + 2 of the second map. Row 2y + 2 is completed by the next y.
  float sums[3][kSide];
#pragma unroll
  for (float& sum : sums[2]) sum = bias;
  // Rows 2y − 1 … 2y + 2 of the logits: after y the first two are complete.
  const float logit_bias = weights.transposed3_bias;
  float logits[4] = {0, 0, logit_bias, logit_bias};
  float error = 0;
#pragma unroll 1
  for (int y = 0; y < kHalf; ++y) {
    map_row(weights, y, shared);
    __syncthreads();
#pragma unroll
    for (int x = 0; x < kSide; ++x) {
      sums[0][x] = sums[2][x];
      sums[1][x] = sums[2][x] = bias;
    }
    transpose_row(weights, rows.inner, lane, sums);

    logits[0] = logits[2];
    logits[1] = logits[3];
    logits[2] = logits[3] = logit_bias;
    __syncwarp();  // rows.inner has been read
#pragma unroll
    for (int row = 0; row < 2; ++row) {
#pragma unroll
      for (int x = 0; x < kSide; ++x) {
        rows.outer[row][swizzled(x, lane)] = fmaf(leaky_relu(sums[row][x]), scale, shift);
      }
    }
    __syncwarp();
    transpose_to_logits(weights, lane, rows, logits);
    if (y > 0) error = add_error(error, logits[0], pixels + (2 * y - 1) * kSide, lane);
    error = add_error(error, logits[1], pixels + 2 * y * kSide, lane);
    __syncthreads();  // map_row writes to all images' rows
  }
  error = add_error(error, logits[2], pixels + (kSide - 1) * kSide, lane);
  return warp_sum(error);
}

__global__ void __launch_bounds__(kThreads, 1)
    score_fp32_kernel(ScoreFp32Weights weights, const uint8_t* images, const uint32_t* positions,
                      int64_t first, int64_t count, float* scores) {
  SHARED_DYNAMIC(Shared, shared);
  const int warp = int(threadIdx.x) / kWarp;
  const int lane = int(threadIdx.x) % kWarp;
  // Warps without an image compute the last one again, as the block needs all its threads.
  const int64_t image = int64_t{blockIdx.x} * kImages + warp;
  const int64_t at = first + min(image, count - 1);
  const int64_t position = positions == nullptr ? at : int64_t{positions[at]};
  const uint8_t* const pixels = images + position * kPixels;

  Rows& rows = shared->rows[warp];
  const float latent = encode(weights, pixels, lane, rows.encoder);
  if (lane < kLatent) shared->latent[warp][lane] = latent;
  __syncthreads();
  const float error = decode(weights, pixels, lane, rows, *shared);
  if (lane == 0 && image < count) scores[image] = error / float(kPixels);
}

}  // namespace

void score_fp32(cudaStream_t stream, const ScoreFp32Weights& weights, const uint8_t* images,
                const uint32_t* positions, int64_t first, int64_t count, float* scores) {
  allow_shared(score_fp32_kernel, sizeof(Shared));
  launch(score_fp32_kernel,
         {.grid = blocks_for(count, kImages),
          .block = kThreads,
          .shared = sizeof(Shared),
          .stream = stream},
         weights, images, positions, first, count, scores);
}

}  // namespace oddity::kernels
