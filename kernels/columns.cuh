// How a matrix [rows, channels] is cut among blocks and threads when every channel is treated alike
// and sums run down the rows: bias and batch normalisation.
//
// The threads of a block lie over a tile of the matrix: neighbouring threads take neighbouring
// groups of channels (4 each where channels are a multiple of 4, else 1), the next `groups` threads
// the next row. A thread keeps its channels and steps down by `lanes` rows; so a warp's accesses
// are neighbours whatever the number of channels. The cut is a function of the shape alone.
#pragma once

#include "groups.cuh"

namespace oddity::kernels {

inline constexpr int kColumnThreads = 128;

struct Columns {
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  std::int64_t row_blocks = 0;     // grid.x
  std::int64_t column_blocks = 0;  // grid.y
  std::int64_t block_rows = 0;     // rows of a block; the last may have fewer
  int width = 0;                   // channels of a thread: 4 or 1
  int groups = 0;                  // of `width` channels in a block
  int lanes = 0;       // rows that a block takes at once; groups · lanes ≤ kColumnThreads
  int half_lanes = 0;  // the largest power of 2 below lanes; 0 for 1

  LaunchConfig launch(cudaStream_t stream, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE()) const {
    return {.grid = {row_blocks, column_blocks},
            .block = kColumnThreads,
            .stream = stream,
            .file = file,
            .line = line};
  }
};

/// The cut for kernels that give each thread `rows_per_thread` rows.
inline Columns cut_columns(std::int64_t rows, std::int64_t channels, std::int64_t rows_per_thread) {
  Columns c{.rows = rows, .channels = channels};
  c.width = channels % 4 == 0 ? 4 : 1;
  const std::int64_t groups = channels / c.width;
  c.column_blocks = blocks_for(groups, kColumnThreads);
  c.groups = int(blocks_for(groups, c.column_blocks));
  c.lanes = kColumnThreads / c.groups;
  if (c.lanes > 1) c.half_lanes = 1;
  while (c.half_lanes > 0 && 2 * c.half_lanes < c.lanes) c.half_lanes *= 2;
  c.block_rows = rows_per_thread * c.lanes;
  c.row_blocks = blocks_for(rows, c.block_rows);
  return c;
}

/// The cut for sums down the rows: about 256 blocks, enough to keep a large GPU busy, but 4 rows a
/// thread at least, or the partial sums are as much work as the sums, and 32 at most, so that a
/// block that reads its rows twice finds them in cache (64 KiB).
inline Columns cut_columns_for_sums(std::int64_t rows, std::int64_t channels) {
  const Columns one = cut_columns(rows, channels, 1);
  const std::int64_t wanted = blocks_for(one.row_blocks * one.column_blocks, 256);
  return cut_columns(rows, channels, wanted < 4 ? 4 : wanted > 32 ? 32 : wanted);
}

/// What of the matrix a thread works on: rows first_row, first_row + lanes … below end_row, of
/// channels channel … channel + width − 1. Threads that have no channels have no rows.
struct ColumnPlace {
  std::int64_t channel;
  std::int64_t first_row;
  std::int64_t end_row;
  int lane;  // 0 … lanes − 1; beyond for threads that have no channels
};

__device__ __forceinline__ ColumnPlace column_place(const Columns& columns) {
  const int thread = int(threadIdx.x);
  const int lane = thread / columns.groups;
  const int group = thread - lane * columns.groups;
  const std::int64_t start = blockIdx.x * columns.block_rows;
  ColumnPlace place{(std::int64_t{blockIdx.y} * columns.groups + group) * columns.width,
                    start + lane, min(start + columns.block_rows, columns.rows), lane};
  if (lane >= columns.lanes || place.channel >= columns.channels) {
    place.end_row = place.first_row;
    place.lane = columns.lanes;
  }
  return place;
}

/// kCount rows of a thread from `row` on, those past its last as 0. Loaded together, without a
/// branch between them: memory answers them together.
template <int kWidth, int kCount>
struct Rows {
  Group<kWidth> at[kCount];
};
template <int kWidth, int kCount>
__device__ __forceinline__ Rows<kWidth, kCount> load_rows(const Columns& columns,
                                                          const ColumnPlace& place,
                                                          std::int64_t row, const float* x,
                                                          bool aligned) {
  Rows<kWidth, kCount> rows{};
  x += row * columns.channels + place.channel;
#pragma unroll
  for (int r = 0; r < kCount; ++r) {
    if (row + r * columns.lanes < place.end_row) {
      rows.at[r] = load_group<kWidth>(x + r * columns.lanes * columns.channels, aligned);
    }
  }
  return rows;
}

/// Sums over the lanes of a block, the same bits in all of them: pairwise, in an order given by
/// their number. All threads of the block take part; scratch is free again on return.
template <int kWidth>
__device__ __forceinline__ Group<kWidth> sum_over_lanes(const Columns& columns,
                                                        const Group<kWidth>& value,
                                                        Group<kWidth>* scratch) {
  const int thread = int(threadIdx.x);
  const int lane = thread / columns.groups;
  Group<kWidth> sum = value;
  scratch[thread] = sum;
  __syncthreads();
  for (int half = columns.half_lanes; half > 0; half /= 2) {
    if (lane < half && lane + half < columns.lanes) {
      const Group<kWidth> other = scratch[thread + half * columns.groups];
#pragma unroll
      for (int j = 0; j < kWidth; ++j) sum.at[j] += other.at[j];
      scratch[thread] = sum;
    }
    __syncthreads();
  }
  sum = scratch[thread - lane * columns.groups];
  __syncthreads();  // the next call may write scratch
  return sum;
}

/// The sum of a block's rows of x, in all of its lanes. All threads of the block take part.
template <int kWidth>
__device__ __forceinline__ Group<kWidth> sum_rows(const Columns& columns, const ColumnPlace& place,
                                                  const float* x, bool aligned,
                                                  Group<kWidth>* scratch) {
  Group<kWidth> sum{};
  for (std::int64_t row = place.first_row; row < place.end_row; row += 4 * columns.lanes) {
    const Rows<kWidth, 4> rows = load_rows<kWidth, 4>(columns, place, row, x, aligned);
#pragma unroll
    for (const Group<kWidth>& v : rows.at) {
#pragma unroll
      for (int j = 0; j < kWidth; ++j) sum.at[j] += v.at[j];
    }
  }
  return sum_over_lanes<kWidth>(columns, sum, scratch);
}

/// What the blocks of rows leave for the second kernel: partials [channels, row_blocks], so that a
/// warp reads those of a channel side by side.
template <int kWidth>
__device__ __forceinline__ void store_partial(const Columns& columns, const ColumnPlace& place,
                                              const Group<kWidth>& value, float* partials) {
  if (place.lane != 0) return;
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    partials[(place.channel + j) * columns.row_blocks + blockIdx.x] = value.at[j];
  }
}

/// kPartialsInFlight of the `count` partials of a channel: first, first + 32 …, 0 past the end.
inline constexpr int kPartialsInFlight = 8;
struct Partials {
  float at[kPartialsInFlight];
};
__device__ __forceinline__ Partials load_partials(const float* partials, std::int64_t first,
                                                  std::int64_t count) {
  Partials loaded{};
#pragma unroll
  for (int i = 0; i < kPartialsInFlight; ++i) {
    if (first + i * kWarp < count) loaded.at[i] = partials[first + i * kWarp];
  }
  return loaded;
}

/// The sum of one channel's partials by a warp, in every lane: each lane adds every 32nd in order,
/// then the lanes pairwise. float64: a few additions a channel.
__device__ __forceinline__ double sum_partials(const float* partials, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = lane_in_warp(); i < count; i += kPartialsInFlight * kWarp) {
    const Partials loaded = load_partials(partials, i, count);
#pragma unroll
    for (const float partial : loaded.at) sum += double(partial);
  }
  return warp_sum(sum);
}

}  // namespace oddity::kernels
