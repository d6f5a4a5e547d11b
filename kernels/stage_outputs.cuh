// The epilogues of a stage (stage.h): a block stores tile after tile of its rows and keeps sums
// over them for each channel, every thread its own in shared memory, as registers are the
// product's. At the end they are added over the threads in the order of the rows.
#pragma once

#include "gemm.cuh"
#include "norm_inputs.cuh"
#include "stage.h"

namespace oddity::kernels {

/// The tiles of a launch's rows, cut into runs of neighbours, one a block.
struct RowTiles {
  int tiles;
  int block_tiles;  // of each block, but the last
  int blocks() const { return static_cast<int>(blocks_for(tiles, block_tiles)); }
  __device__ int first() const { return static_cast<int>(blockIdx.x) * block_tiles; }
  __device__ int end() const { return min(first() + block_tiles, tiles); }
};

/// As many runs as there are tiles, but at most 128, or 256 where channels are few, and more only
/// where each has four tiles: every block of the next launch reads what all of these leave.
inline RowTiles cut_row_tiles(int64_t tiles, int64_t channels) {
  constexpr int64_t kNumbers = 8192;  // of each kind, in all blocks together
  constexpr int64_t kManyBlocks = 512;
  constexpr int64_t kWorthwhile = 4;
  const int64_t few = std::clamp<int64_t>(kNumbers / channels, 128, 256);
  const int64_t run =
      std::max(std::min(blocks_for(tiles, few), kWorthwhile), blocks_for(tiles, kManyBlocks));
  return {static_cast<int>(tiles), static_cast<int>(run)};
}

/// Runs of a launch that leaves nothing in blocks: short, but long enough where tiles are many that
/// the input's tables are made for several.
inline RowTiles cut_plain_tiles(int64_t tiles) {
  constexpr int64_t kManyBlocks = 1024;
  constexpr int64_t kLongest = 4;
  return {static_cast<int>(tiles),
          static_cast<int>(std::clamp<int64_t>(tiles / kManyBlocks, 1, kLongest))};
}

/// The runs of tiles of a launch with such an output.
template <typename Output>
RowTiles cut_tiles(int64_t tiles, int64_t channels) {
  if constexpr (std::is_same_v<Output, PlainOutput>) {
    return cut_plain_tiles(tiles);
  } else {
    return cut_row_tiles(tiles, channels);
  }
}

/// Sums of each thread, [kSums, rows of threads, columns] in shared memory.
template <typename Tile, int kSums>
class ThreadSums {
 public:
  static constexpr int kRowGroups = Tile::kRows / Tile::kThreadRows;
  static constexpr int kFloats = kSums * kRowGroups * Tile::kColumns;

  __device__ explicit ThreadSums(float* memory) : memory_(memory) {}
  /// This thread's, of its four columns.
  __device__ __forceinline__ float* mine(int sum) const {
    return at(sum, Tile::row() / Tile::kThreadRows, Tile::column());
  }
  __device__ __forceinline__ float* at(int sum, int row_group, int column) const {
    return memory_ + (sum * kRowGroups + row_group) * Tile::kColumns + column;
  }

 private:
  float* memory_;
};

__device__ __forceinline__ void write_four(float* p, const float (&four)[4]) {
  store4(p, make_float4(four[0], four[1], four[2], four[3]));
}
__device__ __forceinline__ void read_four(const float* p, float (&four)[4]) {
  load_quad<true>(p, 4, four);
}

/// Epilogue: bias and LeakyReLU, and the moments of the block's rows. A thread's sums are about its
/// first value: with n of them nothing cancels beyond a factor of n.
template <typename Tile>
class ActivationEpilogue {
 public:
  static constexpr int kSharedFloats =
      ThreadSums<Tile, 3>::kFloats + ThreadSums<Tile, 3>::kRowGroups;

  __device__ ActivationEpilogue(const ActivationOutput& output, int columns, int first_column,
                                float* shared)
      : output_(output),
        columns_(columns),
        column_(first_column + Tile::column()),
        sums_(shared),
        counts_(shared + ThreadSums<Tile, 3>::kFloats) {}

  /// Row i of the thread's to y + offset(i), unless that is negative, as are then those of all
  /// later rows.
  template <typename Offset>
  __device__ __forceinline__ void store(const Sums<Tile>& product, Offset offset) {
    if (column_ >= columns_ || offset(0) < 0) return;
    float bias[4], pivot[4], first[4] = {}, second[4] = {};
    load_quad<false>(output_.bias + column_, quad_size(column_, columns_), bias);
    if (count_ > 0) {
      read_four(sums_.mine(0), pivot);
      read_four(sums_.mine(1), first);
      read_four(sums_.mine(2), second);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) pivot[j] = activation(product, 0, j, bias);
      write_four(sums_.mine(0), pivot);
    }
#pragma unroll
    for (int i = 0; i < Tile::kThreadRows; ++i) {
      const int64_t at = offset(i);
      if (at < 0) continue;
      float y[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        y[j] = activation(product, i, j, bias);
        const float deviation = y[j] - pivot[j];
        first[j] += deviation;
        second[j] = fmaf(deviation, deviation, second[j]);
      }
      store_quad(output_.y + at, column_, columns_, y);
      ++count_;
    }
    write_four(sums_.mine(1), first);
    write_four(sums_.mine(2), second);
  }

  /// Leaves the block's moments. The whole block calls it, once.
  __device__ __forceinline__ void leave(int first_column) {
    constexpr int kRowGroups = ThreadSums<Tile, 3>::kRowGroups;
    if (Tile::column() == 0) counts_[Tile::row() / Tile::kThreadRows] = float(count_);
    __syncthreads();
    const int column = thread_in_block();
    if (column >= Tile::kColumns || first_column + column >= columns_) return;
    const float pivot = *sums_.at(0, 0, column);
    float rows = 0;
    float from_pivot = 0;
    for (int g = 0; g < kRowGroups; ++g) {
      if (counts_[g] == 0) continue;
      rows += counts_[g];
      from_pivot += fmaf(counts_[g], *sums_.at(0, g, column) - pivot, *sums_.at(1, g, column));
    }
    const float mean = pivot + from_pivot / rows;
    float squares = 0;
    for (int g = 0; g < kRowGroups; ++g) {
      if (counts_[g] == 0) continue;
      const float offset = *sums_.at(0, g, column) - mean;
      const float first = *sums_.at(1, g, column);
      squares += fmaf(offset, fmaf(counts_[g], offset, 2 * first), *sums_.at(2, g, column));
    }
    float* const parts =
        output_.moments.parts + 2 * int64_t{blockIdx.x} * columns_ + first_column + column;
    parts[0] = mean;
    parts[columns_] = squares;
    if (first_column + column == 0) output_.moments.counts[blockIdx.x] = rows;
  }

 private:
  __device__ __forceinline__ static float activation(const Sums<Tile>& product, int i, int j,
                                                     const float (&bias)[4]) {
    return finish(product.values[i][j], bias[j], Epilogue::bias_leaky_relu);
  }

  const ActivationOutput& output_;
  int columns_;
  int column_;
  ThreadSums<Tile, 3> sums_;  // pivot, deviations from it, their squares
  float* counts_;             // of each row of threads
  int count_ = 0;
};

/// Epilogue: bias and LeakyReLU alone.
template <typename Tile>
class PlainEpilogue {
 public:
  static constexpr int kSharedFloats = 0;

  __device__ PlainEpilogue(const PlainOutput& output, int columns, int first_column, float*)
      : output_(output), columns_(columns), column_(first_column + Tile::column()) {}

  template <typename Offset>
  __device__ __forceinline__ void store(const Sums<Tile>& product, Offset offset) {
    store_sums(product, column_, columns_, output_.bias, Epilogue::bias_leaky_relu, output_.y,
               offset);
  }
  __device__ __forceinline__ void leave(int) {}

 private:
  const PlainOutput& output_;
  int columns_;
  int column_;
};

/// Epilogue: a gradient and the sums that its map's normalisation needs.
template <typename Tile>
class GradientEpilogue {
 public:
  static constexpr int kSharedFloats = ThreadSums<Tile, kGradientSums>::kFloats;

  __device__ GradientEpilogue(const GradientOutput& output, int columns, int first_column,
                              float* shared)
      : output_(output), columns_(columns), column_(first_column + Tile::column()), sums_(shared) {}

  /// Row i of the thread's to dx + offset(i), unless that is negative.
  template <typename Offset>
  __device__ __forceinline__ void store(const Sums<Tile>& product, Offset offset) {
    if (column_ >= columns_) return;
    const bool normalised = output_.statistics != nullptr;
    const int size = quad_size(column_, columns_);
    float mean[4] = {}, inverse[4] = {}, sums[kGradientSums][4] = {};
    if (normalised) {
      const float* const statistics = output_.statistics + column_;
      load_quad<false>(statistics + kMean * columns_, size, mean);
      load_quad<false>(statistics + kInverseDeviation * columns_, size, inverse);
    }
#pragma unroll
    for (int i = 0; i < Tile::kThreadRows; ++i) {
      const int64_t at = offset(i);
      if (at < 0) continue;
      store_quad(output_.dx + at, column_, columns_, product.values[i]);
      if (!normalised) continue;
      float y[4];
      if (columns_ % 4 == 0) {
        load_quad<true>(output_.activation + at + column_, 4, y);
      } else {
        load_quad<false>(output_.activation + at + column_, size, y);
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float dy = product.values[i][j];
        const float z = __fmul_rn(y[j] - mean[j], inverse[j]);
        const bool positive = y[j] > 0;
        sums[kDy][j] += dy;
        sums[kDyZ][j] = fmaf(dy, z, sums[kDyZ][j]);
        sums[kPositiveDy][j] += positive ? dy : 0;
        sums[kPositiveCount][j] += positive ? 1.0f : 0.0f;
        sums[kPositiveZ][j] += positive ? z : 0;
      }
    }
    if (!normalised) return;
#pragma unroll
    for (int s = 0; s < kGradientSums; ++s) {
      if (stored_) {
        float before[4];
        read_four(sums_.mine(s), before);
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[s][j] += before[j];
      }
      write_four(sums_.mine(s), sums[s]);
    }
    stored_ = true;
  }

  /// Leaves the block's sums. The whole block calls it, once.
  __device__ __forceinline__ void leave(int first_column) {
    if (output_.statistics == nullptr) return;
    __syncthreads();
    const int column = thread_in_block();
    if (column >= Tile::kColumns || first_column + column >= columns_) return;
    for (int s = 0; s < kGradientSums; ++s) {
      float sum = 0;
      for (int g = 0; g < ThreadSums<Tile, kGradientSums>::kRowGroups; ++g) {
        sum += *sums_.at(s, g, column);
      }
      output_.sums
          .parts[(int64_t{kGradientSums} * blockIdx.x + s) * columns_ + first_column + column] =
          sum;
    }
  }

 private:
  const GradientOutput& output_;
  int columns_;
  int column_;
  ThreadSums<Tile, kGradientSums> sums_;
  bool stored_ = false;
};

/// The epilogue of an output.
template <typename Tile>
ActivationEpilogue<Tile> epilogue_of(const ActivationOutput&);
template <typename Tile>
PlainEpilogue<Tile> epilogue_of(const PlainOutput&);
template <typename Tile>
GradientEpilogue<Tile> epilogue_of(const GradientOutput&);
template <typename Tile, typename Output>
using EpilogueOf = decltype(epilogue_of<Tile>(Output()));

/// Bytes of dynamic shared memory: the input's tables, and behind them the scratch of merging,
/// where there is anything to merge, which is over before the epilogue's sums begin there.
template <typename Tile, typename Input, typename Output>
std::size_t stage_shared_bytes(const Input& input) {
  const int scratch = is_merged(input) ? merge_scratch(Tile::kThreads) : 0;
  const int sums = std::max(scratch, EpilogueOf<Tile, Output>::kSharedFloats);
  return sizeof(float) * static_cast<std::size_t>(table_floats(input) + sums);
}

}  // namespace oddity::kernels
