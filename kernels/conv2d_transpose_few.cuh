// With one output channel a matrix product would read every input nine times to use it once. Here
// an input pixel is read once and multiplied with all nine taps; an output is then the sum of nine
// such products around it.
#pragma once

#include "gemm.cuh"
#include "patches.cuh"

namespace oddity::kernels {

inline constexpr int kFewThreads = 256;
inline constexpr int kFewPixels = 2;                             // input pixels of a thread
inline constexpr int kFewTilePixels = kFewThreads * kFewPixels;  // of a block, with the margin
inline constexpr int kFewFilters = 32;  // copied to shared memory at a time

/// How an image's outputs are cut into tiles of rows × columns, each computed from inputs with a
/// margin of one pixel around them.
struct FewTiling {
  int height, width;
  int rows, columns;
  int tiles_down, tiles_across;
  Divisor input_row;   // columns + 2
  Divisor output_row;  // columns

  __host__ __device__ int tiles() const { return tiles_down * tiles_across; }
};

/// Whole rows where they are short, tiles of 32 columns else; as many rows as fit, evenly shared.
inline FewTiling few_tiling(int64_t height, int64_t width) {
  const int64_t columns = width <= 64 ? width : 32;
  const int64_t most_rows = kFewTilePixels / (columns + 2) - 2;
  const int64_t tiles_down = blocks_for(height, most_rows);
  return {.height = static_cast<int>(height),
          .width = static_cast<int>(width),
          .rows = static_cast<int>(blocks_for(height, tiles_down)),
          .columns = static_cast<int>(columns),
          .tiles_down = static_cast<int>(tiles_down),
          .tiles_across = static_cast<int>(blocks_for(width, columns)),
          .input_row = Divisor(columns + 2),
          .output_row = Divisor(columns)};
}

/// The sums of a tile of one image and output channel: each(row, column, sum) for the outputs that
/// are this thread's. x is the image [height, width, filters], w [filters, 3, 3, channels] from the
/// channel on. The whole block calls it, once.
template <bool kVector, typename Load, typename Each>
__device__ __forceinline__ void for_few_outputs(const FewTiling& tiling, int tile, int filters,
                                                int channels, const float* x, const Load& load,
                                                const float* w, Each each) {
  constexpr int kTapPitch = 12;  // 9 taps, padded to whole float4
  SHARED_ARRAY(float, products, [9][kFewTilePixels]);
  struct alignas(16) Weights {
    float taps[kFewFilters][kTapPitch];
  };
  SHARED_ARRAY(Weights, weights, [1]);
  const int thread = thread_in_block();
  const int first_row = tile / tiling.tiles_across * tiling.rows;
  const int first_column = tile % tiling.tiles_across * tiling.columns;

  // This thread's inputs; one outside of the image has nothing to add.
  const float* inputs[kFewPixels];
  bool inside[kFewPixels];
  for (int i = 0; i < kFewPixels; ++i) {
    const int n = thread + i * kFewThreads;
    const int tile_row = tiling.input_row.quotient(n);
    const int row = first_row - 1 + tile_row;
    const int column = first_column - 1 + n - tile_row * tiling.input_row.divisor();
    inside[i] = tile_row < tiling.rows + 2 && row >= 0 && row < tiling.height && column >= 0 &&
                column < tiling.width;
    inputs[i] = x + (inside[i] ? (int64_t{row} * tiling.width + column) * filters : 0);
  }
  float sum[kFewPixels][9] = {};
  for (int first = 0; first < filters; first += kFewFilters) {
    __syncthreads();
    for (int i = thread; i < kFewFilters * 9; i += kFewThreads) {
      const int filter = i / 9;
      weights[0].taps[filter][i % 9] =
          first + filter < filters ? w[(int64_t{first} * 9 + i) * channels] : 0;
    }
    __syncthreads();
    for (int k = 0; k < kFewFilters && first + k < filters; k += 4) {
      float quads[kFewPixels][4];
      for (int i = 0; i < kFewPixels; ++i) {
        typename Load::Quad quad;
        const int size = inside[i] ? quad_size(first + k, filters) : 0;
        if constexpr (kVector) {
          load.read(inputs[i], first + k, size > 0, quad);
        } else {
          for (int f = 0; f < 4; ++f) load.read(inputs[i], first + k + f, f < size, f, quad);
        }
        load.template finish<kVector>(quad, first + k, kWholeQuad >> (4 - size), quads[i]);
      }
      for (int f = 0; f < 4; ++f) {
        const float(&taps)[kTapPitch] = weights[0].taps[k + f];
        for (int i = 0; i < kFewPixels; ++i) {
          for (int tap = 0; tap < 9; ++tap) sum[i][tap] += quads[i][f] * taps[tap];
        }
      }
    }
  }
  for (int i = 0; i < kFewPixels; ++i) {
    for (int tap = 0; tap < 9; ++tap) products[tap][thread + i * kFewThreads] = sum[i][tap];
  }
  __syncthreads();
  for (int n = thread; n < tiling.rows * tiling.columns; n += kFewThreads) {
    const int tile_row = tiling.output_row.quotient(n);
    const int tile_column = n - tile_row * tiling.columns;
    const int row = first_row + tile_row;
    const int column = first_column + tile_column;
    if (row >= tiling.height || column >= tiling.width) continue;
    // Kernel row r takes output row h from input row h + 1 − r: in the tile, margin included, from
    // tile_row + 2 − r.
    float total = 0;
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) {
        const int at = (tile_row + 2 - r) * (tiling.columns + 2) + tile_column + 2 - c;
        total += products[3 * r + c][at];
      }
    }
    each(row, column, total);
  }
}

}  // namespace oddity::kernels
