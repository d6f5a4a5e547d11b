// Tiled matrix products in strict float32, the core of convolutions and dense layers:
//   sum[row][column] = Σ over depth of rows[row][depth] · columns[depth][column].
//
// A block computes one Tile. Its two operands come through sources, which copy kDepth steps of the
// depth at a time into shared memory, from a matrix (here) or from the patches of an image
// (patches.cuh), with zeros beyond the end. A sum is added in the order of the depth whatever the
// tile and the source: how a product is tiled does not change its bits.
#pragma once

#include <algorithm>

#include "epilogue.cuh"
#include "loads.cuh"

namespace oddity::kernels {

/// Steps of the depth between two barriers.
inline constexpr int kDepth = 16;

/// A block's share of a product; each of its threads has kThreadRows × 4 of the sums.
template <int rows, int columns, int thread_rows>
struct Tile {
  static constexpr int kRows = rows;
  static constexpr int kColumns = columns;
  static constexpr int kThreadRows = thread_rows;
  static constexpr int kThreads = rows / thread_rows * columns / 4;

  /// The first of this thread's rows and columns. A warp covers up to 8 × 4 columns, so that its
  /// reads of shared memory meet in few banks and its stores fill lines of 128 bytes.
  static __device__ int row() {
    const int warp_row = warp_in_block() / (kColumns / (4 * kWarpWidth));
    return (warp_row * kWarp / kWarpWidth + lane_in_warp() / kWarpWidth) * kThreadRows;
  }
  static __device__ int column() {
    const int warp_column = warp_in_block() % (kColumns / (4 * kWarpWidth));
    return (warp_column * kWarpWidth + lane_in_warp() % kWarpWidth) * 4;
  }

 private:
  static constexpr int kWarpWidth = columns >= 32 ? 8 : columns / 4;
};

// Small enough for a batch of 32 to keep most of a GPU busy.
using WideTile = Tile<32, 64, 4>;
using MediumTile = Tile<64, 32, 4>;
using NarrowTile = Tile<32, 16, 2>;

/// Calls launch_tile.operator()<tile, vector>() with the tile for so many columns. vector: every
/// extent along which the operands are contiguous is a multiple of 4.
template <typename Launch>
void with_tile(int64_t columns, bool vector, Launch launch_tile) {
  const auto with = [&]<bool kVector>() {
    if (columns > 32) {
      launch_tile.template operator()<WideTile, kVector>();
    } else if (columns > 16) {
      launch_tile.template operator()<MediumTile, kVector>();
    } else {
      launch_tile.template operator()<NarrowTile, kVector>();
    }
  };
  if (vector) {
    with.template operator()<true>();
  } else {
    with.template operator()<false>();
  }
}

/// A product's depth, cut so that more blocks can work on it (slices.h).
struct Slices {
  int64_t count;
  int64_t depth;  // of each, but the last
};

/// About `wanted` slices, of whole steps between two barriers, and at least four of those: a slice
/// is not to be over before it is under way.
inline Slices cut_into_slices(int64_t depth, int64_t wanted) {
  const int64_t steps = std::max<int64_t>(blocks_for(blocks_for(depth, wanted), kDepth), 4);
  return {blocks_for(depth, steps * kDepth), steps * kDepth};
}

/// An operand's steps in shared memory. The 4 floats of padding put the writes of AlongDepth into
/// different banks.
template <int kExtent>
struct alignas(16) OperandTile {
  float values[kDepth][kExtent + 4];
};

/// How many of 4 numbers from `first` on lie below `end`; at most 0 for none.
__device__ __forceinline__ int quad_size(int64_t first, int64_t end) {
  return end - first < 4 ? static_cast<int>(end - first) : 4;
}

/// How a block's threads share the copying of a tile from memory that is contiguous along the
/// depth: each copies 4 steps of the depth at kLoads positions of the extent. A warp reads whole
/// sectors of 32 bytes and writes to 32 different banks.
template <int kExtent, int kThreads>
struct AlongDepth {
  static constexpr int kLoads = kExtent * kDepth / 4 / kThreads;
  static_assert(kThreads % (4 * kDepth) == 0 && kLoads * kThreads * 4 == kExtent * kDepth);

  static __device__ int depth() {
    return (thread_in_block() % 2 + thread_in_block() / kWarp % (kDepth / 8) * 2) * 4;
  }
  static __device__ int position(int load) {
    const int i = thread_in_block() + load * kThreads;
    return i / 2 % 16 + i / (4 * kDepth) * 16;
  }
  static __device__ __forceinline__ void store(const float (&quads)[kLoads][4],
                                               OperandTile<kExtent>& tile) {
#pragma unroll
    for (int load = 0; load < kLoads; ++load) {
#pragma unroll
      for (int i = 0; i < 4; ++i) tile.values[depth() + i][position(load)] = quads[load][i];
    }
  }
};

/// The same from memory that is contiguous along the extent: 4 positions at kLoads steps.
template <int kExtent, int kThreads>
struct AlongExtent {
  static constexpr int kLoads = kExtent * kDepth / 4 / kThreads;
  static_assert(kThreads % (kExtent / 4) == 0 && kLoads * kThreads * 4 == kExtent * kDepth);

  static __device__ int position() { return thread_in_block() % (kExtent / 4) * 4; }
  static __device__ int depth(int load) {
    return (thread_in_block() + load * kThreads) / (kExtent / 4);
  }
  static __device__ __forceinline__ void store(const float (&quads)[kLoads][4],
                                               OperandTile<kExtent>& tile) {
#pragma unroll
    for (int load = 0; load < kLoads; ++load) {
      const float(&q)[4] = quads[load];
      store4(&tile.values[depth(load)][position()], make_float4(q[0], q[1], q[2], q[3]));
    }
  }
};

/// Source: a matrix [extent, pitch], of it the tile from `first` on, depth [0, depth). Along the
/// depth lie channels, over and over, from `channel` on.
template <int kExtent, int kThreads, bool kVector, typename Load = AsStored>
class MatrixAlongDepth {
 public:
  __device__ MatrixAlongDepth(const float* matrix, int64_t pitch, int64_t extent, int64_t first,
                              int depth, const Load& how = {}, int channels = 1, int channel = 0)
      : load_(how),
        next_(Copy::depth()),
        depth_(depth),
        channels_(channels),
        channel_step_(kDepth % channels),
        next_channel_((channel + Copy::depth()) % channels) {
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      // What lies beyond the extent is not stored: any readable row will do.
      const int64_t position = first + Copy::position(load);
      rows_[load] = load_.image(matrix, position < extent ? position : extent - 1, pitch);
    }
  }
  /// Reads the next kDepth steps into registers.
  __device__ __forceinline__ void fetch() {
    const int size = depth_ - next_;
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      if constexpr (kVector) {
        load_.read(rows_[load], next_, size > 0, quads_[load]);
      } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) load_.read(rows_[load], next_ + i, i < size, i, quads_[load]);
      }
    }
    next_ += kDepth;
    channel_ = next_channel_;
    next_channel_ += channel_step_;
    if (next_channel_ >= channels_) next_channel_ -= channels_;
  }
  /// Writes them to shared memory.
  __device__ __forceinline__ void store(OperandTile<kExtent>& tile) const {
    const int size = depth_ - (next_ - kDepth);  // fetch() has gone one step on
    const unsigned exist = size >= 4 ? kWholeQuad : size <= 0 ? 0 : kWholeQuad >> (4 - size);
    float quads[Copy::kLoads][4];
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      load_.template finish<kVector>(quads_[load], channel_, exist, quads[load]);
    }
    Copy::store(quads, tile);
  }

 private:
  using Copy = AlongDepth<kExtent, kThreads>;
  Load load_;
  typename Load::Pointer rows_[Copy::kLoads];
  int next_;
  int depth_;
  int channels_;
  int channel_step_;
  int next_channel_;
  int channel_ = 0;  // of what was fetched last
  typename Load::Quad quads_[Copy::kLoads];
};

/// Source: a matrix [depth, extent], of it the tile from `first` on. Along the extent lie channels,
/// over and over.
template <int kExtent, int kThreads, bool kVector, typename Load = AsStored>
class MatrixAlongExtent {
 public:
  __device__ MatrixAlongExtent(const float* matrix, int64_t extent, int64_t first, int depth,
                               const Load& how = {}, int channels = 1)
      : load_(how),
        matrix_(matrix + first + Copy::position()),
        extent_(extent),
        size_(quad_size(first + Copy::position(), extent)),
        channel_(size_ > 0 ? static_cast<int>((first + Copy::position()) % channels) : 0),
        depth_(depth) {}
  __device__ __forceinline__ void fetch() {
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      const int depth = next_ + Copy::depth(load);
      const float* const row = matrix_ + depth * extent_;
      const int size = depth < depth_ ? size_ : 0;
      if constexpr (kVector) {
        load_.read(row, 0, size > 0, quads_[load]);
      } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) load_.read(row, i, i < size, i, quads_[load]);
      }
    }
    next_ += kDepth;
  }
  __device__ __forceinline__ void store(OperandTile<kExtent>& tile) const {
    float quads[Copy::kLoads][4];
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      // fetch() has gone one step on.
      const bool inside = next_ - kDepth + Copy::depth(load) < depth_;
      const unsigned exist = !inside || size_ <= 0 ? 0 : kWholeQuad >> (4 - size_);
      load_.template finish<kVector>(quads_[load], channel_, exist, quads[load]);
    }
    Copy::store(quads, tile);
  }

 private:
  using Copy = AlongExtent<kExtent, kThreads>;
  Load load_;
  const float* matrix_;
  int64_t extent_;
  int size_;
  int channel_;
  int next_ = 0;
  int depth_;
  typename Load::Quad quads_[Copy::kLoads];
};

/// This thread's part of a product.
template <typename Tile>
struct Sums {
  float values[Tile::kThreadRows][4] = {};
};

/// Adds the products of one step of the depth. (rows and columns are 16-byte aligned, which nvcc
/// sees: it reads them four at a time. load4 would be a call in the emulator's innermost loop.)
template <typename Tile>
__device__ __forceinline__ void multiply_step(const float* rows, const float* columns,
                                              Sums<Tile>& sums) {
  float column[4];
#pragma unroll
  for (int j = 0; j < 4; ++j) column[j] = columns[j];
#pragma unroll
  for (int i = 0; i < Tile::kThreadRows; ++i) {
    const float row = rows[i];
#pragma unroll
    for (int j = 0; j < 4; ++j) sums.values[i][j] += row * column[j];
  }
}

/// This thread's part of the product of two sources, over depth (> 0) steps. Every thread of
/// the block calls it, once. Shared memory has two buffers: while one is read the next steps are
/// already on their way from global memory.
template <typename Tile, typename Rows, typename Columns>
__device__ __forceinline__ Sums<Tile> multiply(Rows& rows, Columns& columns, int depth) {
  SHARED_ARRAY(OperandTile<Tile::kRows>, row_tiles, [2]);
  SHARED_ARRAY(OperandTile<Tile::kColumns>, column_tiles, [2]);
  Sums<Tile> sums;
  rows.fetch();
  columns.fetch();
  int buffer = 0;
  for (int left = depth; left > 0; left -= kDepth) {
    rows.store(row_tiles[buffer]);
    columns.store(column_tiles[buffer]);
    // One barrier is enough: who passes it has finished with the other buffer, written next.
    __syncthreads();
    if (left > kDepth) {
      rows.fetch();
      columns.fetch();
    }
    const auto& row_tile = row_tiles[buffer].values;
    const auto& column_tile = column_tiles[buffer].values;
    if (left >= kDepth) {
#pragma unroll
      for (int k = 0; k < kDepth; ++k) {
        multiply_step<Tile>(&row_tile[k][Tile::row()], &column_tile[k][Tile::column()], sums);
      }
    } else {
      for (int k = 0; k < left; ++k) {
        multiply_step<Tile>(&row_tile[k][Tile::row()], &column_tile[k][Tile::column()], sums);
      }
    }
    buffer ^= 1;
  }
  return sums;
}

/// y[column … column + 4) = the values, as far as they lie below `columns`.
__device__ __forceinline__ void store_quad(float* y, int64_t column, int64_t columns,
                                           const float (&quad)[4]) {
  if (columns % 4 == 0) {
    if (column < columns) store4(y + column, make_float4(quad[0], quad[1], quad[2], quad[3]));
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (column + j < columns) y[column + j] = quad[j];
  }
}

/// Stores this thread's sums with the epilogue: row i to y + offset(i) unless that is negative.
template <typename Tile, typename Offset>
__device__ __forceinline__ void store_sums(const Sums<Tile>& sums, int64_t column, int64_t columns,
                                           const float* bias, Epilogue epilogue, float* y,
                                           Offset offset) {
  float biases[4];
  const bool biased = epilogue != Epilogue::none;
  load_quad<false>(biased ? bias + column : bias, biased ? quad_size(column, columns) : 0, biases);
#pragma unroll
  for (int i = 0; i < Tile::kThreadRows; ++i) {
    const int64_t at = offset(i);
    if (at < 0) continue;
    float quad[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) quad[j] = finish(sums.values[i][j], biases[j], epilogue);
    store_quad(y + at, column, columns, quad);
  }
}

}  // namespace oddity::kernels
