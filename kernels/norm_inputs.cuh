// How the operands of a stage (stage.h) become loads: every block merges what the blocks of the
// launch before left, and keeps a table of constants for each channel in shared memory.
#pragma once

#include "loads.cuh"
#include "pixels.cuh"
#include "stage.h"

namespace oddity::kernels {

/// Blocks of a tile that the compiler is to leave room for on an SM, from those of 128 threads: 4
/// with 128 registers each; 5 with 96 is enough for products that have no sums behind them and read
/// four numbers at a time.
template <typename Tile>
constexpr int resident_blocks(int of_128_threads) {
  return of_128_threads * 128 / Tile::kThreads;
}

/// Floats of shared memory that merging needs in a block of so many threads.
inline constexpr int kMergedSums = 2;
constexpr int merge_scratch(int threads) { return kMergedSums * 4 * threads; }

/// For each group of kWidth channels the sums over the blocks of what add(block, channel, sums)
/// adds to them, given to done(channel, sums) in one thread. Up to kParts threads share the blocks
/// of a group, so the order is one of the shape and the number of threads. All threads of the block
/// take part; scratch holds merge_scratch floats.
template <int kWidth, typename Add, typename Done>
__device__ __forceinline__ void merge_blocks(int channels, int blocks, float* scratch, Add add,
                                             Done done) {
  using Sum = Group<kWidth>;
  constexpr int kParts = 16;
  Sum* const sums = reinterpret_cast<Sum*>(scratch);
  const int threads = static_cast<int>(blockDim.x);
  const int thread = static_cast<int>(threadIdx.x);
  const int groups = channels / kWidth;
  for (int first = 0; first < groups; first += threads) {
    const int count = min(groups - first, threads);
    const int parts = min(threads / count, kParts);
    const int part = thread / count;
    const int channel = (first + thread - part * count) * kWidth;
    Sum sum[kMergedSums] = {};
    if (part < parts) {
#pragma unroll 4
      for (int block = part; block < blocks; block += parts) add(block, channel, sum);
    }
#pragma unroll
    for (int s = 0; s < kMergedSums; ++s) sums[s * threads + thread] = sum[s];
    __syncthreads();
    if (part == 0) {
      for (int p = 1; p < parts; ++p) {
#pragma unroll
        for (int s = 0; s < kMergedSums; ++s) {
          const Sum other = sums[s * threads + thread + p * count];
#pragma unroll
          for (int j = 0; j < kWidth; ++j) sum[s].at[j] += other.at[j];
        }
      }
      done(channel, sum);
    }
    __syncthreads();  // what done() wrote is there, and scratch may be written again
  }
}

__device__ __forceinline__ bool first_block() {
  return blockIdx.x == 0 && blockIdx.y == 0 && blockIdx.z == 0;
}

/// Puts values of channel … channel + kWidth − 1 into a table, and again behind its end.
template <int kWidth>
__device__ __forceinline__ void put(float* table, int channels, int channel,
                                    const Group<kWidth>& values) {
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    for (int at = channel + j; at < channels + 3; at += channels) table[at] = values.at[j];
  }
}

/// For each group of channels, by some thread: each(channel).
template <int kWidth, typename Each>
__device__ __forceinline__ void for_channels(int channels, Each each) {
  for (int channel = static_cast<int>(threadIdx.x) * kWidth; channel < channels;
       channel += static_cast<int>(blockDim.x) * kWidth) {
    each(channel);
  }
}

/// Merges the moments (Chan, Golub and LeVeque 1979) about the first block's mean: one pass is
/// enough, and nothing cancels where the mean is large.
template <int kWidth>
__device__ __forceinline__ void merge_moments(const NormalisedMap& map, float* scale_table,
                                              float* shift_table, float* scratch) {
  const int channels = map.channels;
  const auto means = [&](int block, int channel) {
    return load_group<kWidth>(map.moments.parts + int64_t{2} * block * channels + channel,
                              kWidth == 4);
  };
  const auto add = [&](int block, int channel, Group<kWidth>(&sum)[kMergedSums]) {
    const Group<kWidth> pivot = means(0, channel);
    const Group<kWidth> mean = means(block, channel);
    const Group<kWidth> squares = load_group<kWidth>(
        map.moments.parts + (int64_t{2} * block + 1) * channels + channel, kWidth == 4);
    const float rows = map.moments.counts[block];
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      const float offset = mean.at[j] - pivot.at[j];
      sum[0].at[j] = fmaf(rows, offset, sum[0].at[j]);
      sum[1].at[j] += fmaf(rows * offset, offset, squares.at[j]);
    }
  };
  const float rows = float(map.moments.rows);
  merge_blocks<kWidth>(channels, map.moments.blocks, scratch, add,
                       [&](int channel, const Group<kWidth>(&sum)[kMergedSums]) {
                         const Group<kWidth> pivot = means(0, channel);
                         const Group<kWidth> gamma = load_parameters<kWidth>(map.gamma + channel);
                         const Group<kWidth> beta = load_parameters<kWidth>(map.beta + channel);
                         Group<kWidth> scale;
                         Group<kWidth> shift;
#pragma unroll
                         for (int j = 0; j < kWidth; ++j) {
                           const float first = sum[0].at[j] / rows;
                           const float difference = fmaf(-first, first, sum[1].at[j] / rows);
                           const float variance = difference < 0 ? 0 : difference;  // NaN stays NaN
                           const float mean = pivot.at[j] + first;
                           const float inverse = 1.0f / sqrtf(variance + kBatchNormEpsilon);
                           scale.at[j] = gamma.at[j] * inverse;
                           shift.at[j] = fmaf(-mean, scale.at[j], beta.at[j]);
                           if (first_block()) {
                             float* const statistics = map.statistics + channel + j;
                             statistics[kMean * channels] = mean;
                             statistics[kInverseDeviation * channels] = inverse;
                             statistics[kVariance * channels] = variance;
                             statistics[kScale * channels] = scale.at[j];
                             statistics[kShift * channels] = shift.at[j];
                           }
                         }
                         put<kWidth>(scale_table, channels, channel, scale);
                         put<kWidth>(shift_table, channels, channel, shift);
                       });
}

/// Floats of shared memory that the tables of an operand take.
__host__ __device__ inline int table_floats(const PixelBatch&) { return 0; }
__host__ __device__ inline int table_floats(const NormalisedMap& map) {
  return Normalised::kTables * table_pitch(map.channels);
}
__host__ __device__ inline int table_floats(const MapGradient& map) {
  return Differentiated::kTables * table_pitch(map.channels);
}

/// Whether the constants of an operand are made of what many blocks have left.
inline bool is_merged(const PixelBatch&) { return false; }
inline bool is_merged(const NormalisedMap& map) {
  return map.normalisation == Normalisation::moments;
}
inline bool is_merged(const MapGradient&) { return true; }

/// The load of an operand, its tables ready in all threads. The whole block calls it; scratch,
/// which only those that are merged need, is free again on return. With kVector, channels are a
/// multiple of 4.
template <bool kVector>
__device__ __forceinline__ Gathered prepare(const PixelBatch& batch, float*, float*) {
  return gathered(batch);
}

template <bool kVector>
__device__ __forceinline__ Normalised prepare(const NormalisedMap& map, float* tables,
                                              float* scratch) {
  constexpr int kWidth = kVector ? 4 : 1;
  const int pitch = table_pitch(map.channels);
  if (map.normalisation == Normalisation::moments) {
    merge_moments<kWidth>(map, tables, tables + pitch, scratch);
  } else {
    for_channels<kWidth>(map.channels, [&](int channel) {
      Group<kWidth> scale;
      Group<kWidth> shift;
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        scale.at[j] = 1;
        shift.at[j] = 0;
      }
      if (map.normalisation == Normalisation::statistics) {
        scale = load_group<kWidth>(map.statistics + kScale * map.channels + channel, kVector);
        shift = load_group<kWidth>(map.statistics + kShift * map.channels + channel, kVector);
      }
      put<kWidth>(tables, map.channels, channel, scale);
      put<kWidth>(tables + pitch, map.channels, channel, shift);
    });
    __syncthreads();
  }
  return {{}, tables, pitch};
}

/// With n rows, z = (y − mean) / deviation and the sums S over the rows:
/// scale · (dy − S(dy)/n − z · S(dy · z)/n) (Ioffe and Szegedy 2015), as dy · factor + y · slope +
/// constant.
template <bool kVector>
__device__ __forceinline__ Differentiated prepare(const MapGradient& map, float* tables,
                                                  float* scratch) {
  constexpr int kWidth = kVector ? 4 : 1;
  const int channels = map.channels;
  const int pitch = table_pitch(channels);
  const auto statistic = [&](Statistic which, int channel) {
    return load_group<kWidth>(map.statistics + which * channels + channel, kVector);
  };
  merge_blocks<kWidth>(
      channels, map.sums.blocks, scratch,
      [&](int block, int channel, Group<kWidth>(&sum)[kMergedSums]) {
#pragma unroll
        for (int s = 0; s < kMergedSums; ++s) {
          const Group<kWidth> part = load_group<kWidth>(
              map.sums.parts + (int64_t{kGradientSums} * block + s) * channels + channel, kVector);
#pragma unroll
          for (int j = 0; j < kWidth; ++j) sum[s].at[j] += part.at[j];
        }
      },
      [&](int channel, const Group<kWidth>(&sum)[kMergedSums]) {
        const Group<kWidth> mean = statistic(kMean, channel);
        const Group<kWidth> inverse = statistic(kInverseDeviation, channel);
        const Group<kWidth> factor = statistic(kScale, channel);
        Group<kWidth> slope;
        Group<kWidth> constant;
#pragma unroll
        for (int j = 0; j < kWidth; ++j) {
          const float rows = float(map.rows);
          const float by_y = inverse.at[j] * (sum[kDyZ].at[j] / rows);
          slope.at[j] = -factor.at[j] * by_y;
          constant.at[j] = factor.at[j] * fmaf(mean.at[j], by_y, -sum[kDy].at[j] / rows);
        }
        put<kWidth>(tables, channels, channel, factor);
        put<kWidth>(tables + pitch, channels, channel, slope);
        put<kWidth>(tables + 2 * pitch, channels, channel, constant);
      });
  return {tables, pitch, map.activation - map.dy};
}

/// The load that an operand becomes.
template <typename Input>
using LoadOf = decltype(prepare<false>(Input(), nullptr, nullptr));

/// Pixels are read one by one: an image has one channel or three.
template <typename Input>
inline constexpr bool kReadsQuads = !std::is_same_v<Input, PixelBatch>;

}  // namespace oddity::kernels
