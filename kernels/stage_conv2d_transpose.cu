#include "stage_outputs.cuh"
#include "transposed_weights.cuh"

namespace oddity::kernels {
namespace {

constexpr int kStride = 2;
constexpr int kPhases = kStride * kStride;

/// Rows: the outputs of one phase, one for each small pixel; columns: channels; depth: the taps and
/// filters (conv2d_transpose.cu). Grid: runs of tiles of rows, tiles of columns. The phases of the
/// same small pixels are neighbours, that with most taps beside that with fewest: so blocks have
/// equal work.
template <typename Tile, bool kVector, typename Input, typename Output>
__global__ void __launch_bounds__(Tile::kThreads, resident_blocks<Tile>(4))
    conv2d_transpose_stage_kernel(Patches patches, Input input, const float* w, int channels,
                                  Output output, RowTiles tiles) {
  SHARED_DYNAMIC(float, shared);
  float* const sums = shared + table_floats(input);
  const auto load = prepare<kVector>(input, shared, sums);
  const int first_channel = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const int64_t pixels = patches.grid.pixels();
  EpilogueOf<Tile, Output> epilogue(output, channels, first_channel, sums);
  for (int tile = tiles.first(); tile < tiles.end(); ++tile) {
    __syncthreads();  // the last product has read its operands
    const int order = tile % kPhases;
    const int phase = order == 0 ? 0 : order == 1 ? 3 : order - 1;
    const int phase_row = phase / kStride;
    const int phase_column = phase % kStride;
    const AxisTaps row_taps = axis_taps(kStride, phase_row);
    const AxisTaps column_taps = axis_taps(kStride, phase_column);
    set_taps(patches, row_taps, column_taps);

    const int64_t first_pixel = int64_t{tile / kPhases} * Tile::kRows;
    PatchesAlongDepth<Tile::kRows, Tile::kThreads, kVector, LoadOf<Input>> rows(patches,
                                                                                first_pixel, load);
    TransposedWeights<Tile::kColumns, Tile::kThreads, kVector> columns(
        w, patches.channels, channels, first_channel, kStride, row_taps, column_taps);
    const auto product = multiply<Tile>(rows, columns, patches.depth());
    const PixelsFrom tile_pixels(patches.grid, first_pixel);
    epilogue.store(product, [&](int i) -> int64_t {
      const int n = Tile::row() + i;
      if (first_pixel + n >= pixels) return -1;
      const Pixel pixel = tile_pixels.at(n);
      const int64_t row = (pixel.image * patches.height + pixel.row) * kStride + phase_row;
      return ((row * patches.width + pixel.column) * kStride + phase_column) * channels;
    });
  }
  epilogue.leave(first_channel);
}

template <typename Output>
RowTiles row_tiles(const Conv2dShape& shape) {
  RowTiles tiles{};
  with_tile(shape.channels, true, [&]<typename Tile, bool kVector>() {
    tiles =
        cut_tiles<Output>(kPhases * blocks_for(shape.small_pixels(), Tile::kRows), shape.channels);
  });
  return tiles;
}

template <typename Input, typename Output>
void run(cudaStream_t stream, const Conv2dShape& shape, const float* x, const Input& input,
         const float* w, const Output& output) {
  const RowTiles tiles = row_tiles<Output>(shape);
  const bool vector = shape.channels % 4 == 0 && shape.filters % 4 == 0;
  with_tile(shape.channels, vector, [&]<typename Tile, bool kVector>() {
    launch(conv2d_transpose_stage_kernel<Tile, kVector, Input, Output>,
           {.grid = {tiles.blocks(), blocks_for(shape.channels, Tile::kColumns)},
            .block = Tile::kThreads,
            .shared = stage_shared_bytes<Tile, Input, Output>(input),
            .stream = stream},
           transposed_patches(shape, x), input, w, static_cast<int>(shape.channels), output, tiles);
  });
}

}  // namespace

int conv2d_transpose_stage_blocks(const Conv2dShape& shape) {
  return row_tiles<ActivationOutput>(shape).blocks();
}

void conv2d_transpose_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                            const float* w, const ActivationOutput& y) {
  run(stream, shape, x.x, x, w, y);
}

void conv2d_transpose_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                            const float* w, const PlainOutput& y) {
  run(stream, shape, x.x, x, w, y);
}

void conv2d_transpose_stage_gradient(cudaStream_t stream, const Conv2dShape& shape,
                                     const MapGradient& dy, const float* w,
                                     const GradientOutput& dx) {
  run(stream, shape, dy.dy, dy, w, dx);
}

}  // namespace oddity::kernels
