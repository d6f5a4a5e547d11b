#include "conv2d_transpose.h"
#include "conv2d_transpose_few.h"
#include "transposed_weights.cuh"

namespace oddity::kernels {
namespace {

/// Rows: the outputs of one phase, which lie where row and column have the same remainders by the
/// stride and are reached by the same taps, one for each small pixel; columns: channels; depth: the
/// taps and filters. Grid: tiles of rows, tiles of columns, phases, those with most taps first.
template <typename Tile, bool kVector>
__global__ void __launch_bounds__(Tile::kThreads)
    conv2d_transpose_kernel(Patches patches, const float* w, const float* bias, Epilogue epilogue,
                            int stride, int64_t channels, float* y) {
  const int phase_row = static_cast<int>(blockIdx.z) / 2;
  const int phase_column = static_cast<int>(blockIdx.z) % 2;
  const AxisTaps row_taps = axis_taps(stride, phase_row);
  const AxisTaps column_taps = axis_taps(stride, phase_column);
  set_taps(patches, row_taps, column_taps);

  const int64_t first_pixel = int64_t{blockIdx.x} * Tile::kRows;
  const int64_t first_channel = int64_t{blockIdx.y} * Tile::kColumns;
  PatchesAlongDepth<Tile::kRows, Tile::kThreads, kVector> rows(patches, first_pixel);
  TransposedWeights<Tile::kColumns, Tile::kThreads, kVector> columns(
      w, patches.channels, static_cast<int>(channels), first_channel, stride, row_taps,
      column_taps);
  const auto sums = multiply<Tile>(rows, columns, patches.depth());

  const int64_t pixels = patches.grid.pixels();
  const PixelsFrom block_pixels(patches.grid, first_pixel);
  store_sums(sums, first_channel + Tile::column(), channels, bias, epilogue, y,
             [&](int i) -> int64_t {
               const int n = Tile::row() + i;
               if (first_pixel + n >= pixels) return -1;
               const Pixel pixel = block_pixels.at(n);
               const int64_t row = (pixel.image * patches.height + pixel.row) * stride + phase_row;
               return ((row * patches.width + pixel.column) * stride + phase_column) * channels;
             });
}

}  // namespace

void conv2d_transpose(cudaStream_t stream, const Conv2dShape& shape, const float* x, const float* w,
                      const float* bias, Epilogue epilogue, float* y) {
  if (shape.images == 0) return;
  if (shape.stride == 1 && shape.channels <= kFewChannels) {
    conv2d_transpose_few(stream, shape, x, w, bias, epilogue, y);
    return;
  }
  const Patches patches = transposed_patches(shape, x);
  const bool vector = shape.channels % 4 == 0 && shape.filters % 4 == 0;
  with_tile(shape.channels, vector, [&]<typename Tile, bool kVector>() {
    launch(conv2d_transpose_kernel<Tile, kVector>,
           {.grid = {blocks_for(shape.small_pixels(), Tile::kRows),
                     blocks_for(shape.channels, Tile::kColumns), shape.stride == 1 ? 1 : 4},
            .block = Tile::kThreads,
            .stream = stream},
           patches, w, bias, epilogue, static_cast<int>(shape.stride), shape.channels, y);
  });
}

}  // namespace oddity::kernels
