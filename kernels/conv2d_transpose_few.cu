// With one output channel a matrix product would read every input nine times to use it once. Here
// an input pixel is read once and multiplied with all nine taps; an output is then the sum of nine
// such products around it.
#include <algorithm>

#include "conv2d_transpose_few.h"
#include "gemm.cuh"
#include "patches.cuh"

namespace oddity::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kPixels = 2;                       // input pixels of a thread
constexpr int kTilePixels = kThreads * kPixels;  // input pixels of a block, with the margin
constexpr int kFilters = 32;                     // copied to shared memory at a time
constexpr int kTapPitch = 12;                    // 9 taps, padded to whole float4

/// How an image's outputs are cut into tiles of rows × columns, each computed from inputs with a
/// margin of one pixel around them.
struct Tiling {
  int height, width;
  int rows, columns;
  int tiles_down, tiles_across;
  Divisor input_row;   // columns + 2
  Divisor output_row;  // columns
};

/// Grid: tiles of all images, channels. x [N, height, width, filters] and y [N, height, width,
/// channels].
template <bool kVector>
__global__ void __launch_bounds__(kThreads)
    conv2d_transpose_few_kernel(Tiling tiling, int filters, int channels, const float* x,
                                const float* w, const float* bias, Epilogue epilogue, float* y) {
  SHARED_ARRAY(float, products, [9][kTilePixels]);
  struct alignas(16) Weights {
    float taps[kFilters][kTapPitch];
  };
  SHARED_ARRAY(Weights, weights, [1]);
  const int thread = thread_in_block();
  const int channel = static_cast<int>(blockIdx.y);
  const int tile = static_cast<int>(blockIdx.x % (tiling.tiles_down * tiling.tiles_across));
  const int64_t image = blockIdx.x / (tiling.tiles_down * tiling.tiles_across);
  const int first_row = tile / tiling.tiles_across * tiling.rows;
  const int first_column = tile % tiling.tiles_across * tiling.columns;
  const int64_t image_pixels = int64_t{tiling.height} * tiling.width;
  x += image * image_pixels * filters;
  y += image * image_pixels * channels;

  // This thread's inputs; one outside of the image has nothing to add.
  const float* inputs[kPixels];
  bool inside[kPixels];
  for (int i = 0; i < kPixels; ++i) {
    const int n = thread + i * kThreads;
    const int tile_row = tiling.input_row.quotient(n);
    const int row = first_row - 1 + tile_row;
    const int column = first_column - 1 + n - tile_row * tiling.input_row.divisor();
    inside[i] = tile_row < tiling.rows + 2 && row >= 0 && row < tiling.height && column >= 0 &&
                column < tiling.width;
    inputs[i] = x + (inside[i] ? (int64_t{row} * tiling.width + column) * filters : 0);
  }
  float sum[kPixels][9] = {};
  for (int first = 0; first < filters; first += kFilters) {
    __syncthreads();
    for (int i = thread; i < kFilters * 9; i += kThreads) {
      const int filter = i / 9;
      weights[0].taps[filter][i % 9] =
          first + filter < filters ? w[(int64_t{first} * 9 + i) * channels + channel] : 0;
    }
    __syncthreads();
    for (int k = 0; k < kFilters && first + k < filters; k += 4) {
      float quads[kPixels][4];
      for (int i = 0; i < kPixels; ++i) {
        load_quad<kVector>(inputs[i] + first + k, inside[i] ? filters - first - k : 0, quads[i]);
      }
      for (int f = 0; f < 4; ++f) {
        const float(&taps)[kTapPitch] = weights[0].taps[k + f];
        for (int i = 0; i < kPixels; ++i) {
          for (int tap = 0; tap < 9; ++tap) sum[i][tap] += quads[i][f] * taps[tap];
        }
      }
    }
  }
  for (int i = 0; i < kPixels; ++i) {
    for (int tap = 0; tap < 9; ++tap) products[tap][thread + i * kThreads] = sum[i][tap];
  }
  __syncthreads();
  for (int n = thread; n < tiling.rows * tiling.columns; n += kThreads) {
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
    y[(int64_t{row} * tiling.width + column) * channels + channel] =
        finish(total, epilogue == Epilogue::none ? 0 : bias[channel], epilogue);
  }
}

/// Whole rows where they are short, tiles of 32 columns else; as many rows as fit, evenly shared.
Tiling tiling_of(int64_t height, int64_t width) {
  const int64_t columns = width <= 64 ? width : 32;
  const int64_t most_rows = kTilePixels / (columns + 2) - 2;
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

}  // namespace

void conv2d_transpose_few(cudaStream_t stream, const Conv2dShape& shape, const float* x,
                          const float* w, const float* bias, Epilogue epilogue, float* y) {
  const Tiling tiling = tiling_of(shape.height, shape.width);
  const int64_t tiles = int64_t{tiling.tiles_down} * tiling.tiles_across;
  launch(shape.filters % 4 == 0 ? conv2d_transpose_few_kernel<true>
                                : conv2d_transpose_few_kernel<false>,
         {.grid = {shape.images * tiles, shape.channels}, .block = kThreads, .stream = stream},
         tiling, static_cast<int>(shape.filters), static_cast<int>(shape.channels), x, w, bias,
         epilogue, y);
}

}  // namespace oddity::kernels
