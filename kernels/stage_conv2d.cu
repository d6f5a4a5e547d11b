#include "patches.cuh"
#include "stage_outputs.cuh"

namespace oddity::kernels {
namespace {

/// Rows of the product: the small side's pixels; columns: filters; depth: the taps and channels of
/// a patch. Grid: runs of tiles of rows, tiles of columns.
template <typename Tile, bool kVector, typename Input, typename Output>
__global__ void __launch_bounds__(Tile::kThreads, resident_blocks<Tile>(4))
    conv2d_stage_kernel(Patches patches, Input input, const float* w, int filters, Output output,
                        RowTiles tiles) {
  SHARED_DYNAMIC(float, shared);
  float* const sums = shared + table_floats(input);
  const auto load = prepare<kVector>(input, shared, sums);
  const int first_filter = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const int64_t pixels = patches.grid.pixels();
  const int depth = patches.depth();
  EpilogueOf<Tile, Output> epilogue(output, filters, first_filter, sums);
  for (int tile = tiles.first(); tile < tiles.end(); ++tile) {
    __syncthreads();  // the last product has read its operands
    const int64_t first_pixel = int64_t{tile} * Tile::kRows;
    PatchesAlongDepth<Tile::kRows, Tile::kThreads, kVector, LoadOf<Input>> rows(patches,
                                                                                first_pixel, load);
    MatrixAlongDepth<Tile::kColumns, Tile::kThreads, kVector> columns(w, depth, filters,
                                                                      first_filter, depth);
    epilogue.store(multiply<Tile>(rows, columns, depth), [&](int i) {
      const int64_t pixel = first_pixel + Tile::row() + i;
      return pixel < pixels ? pixel * filters : -1;
    });
  }
  epilogue.leave(first_filter);
}

template <typename Output>
RowTiles row_tiles(const Conv2dShape& shape) {
  RowTiles tiles{};
  with_tile(shape.filters, true, [&]<typename Tile, bool kVector>() {
    tiles = cut_tiles<Output>(blocks_for(shape.small_pixels(), Tile::kRows), shape.filters);
  });
  return tiles;
}

template <typename Input, typename Output>
void run(cudaStream_t stream, const Conv2dShape& shape, const float* x, const Input& input,
         const float* w, const Output& output) {
  const RowTiles tiles = row_tiles<Output>(shape);
  with_tile(shape.filters, shape.channels % 4 == 0, [&]<typename Tile, bool kVector>() {
    launch(conv2d_stage_kernel < Tile, kVector && kReadsQuads<Input>, Input, Output >,
           {.grid = {tiles.blocks(), blocks_for(shape.filters, Tile::kColumns)},
            .block = Tile::kThreads,
            .shared = stage_shared_bytes<Tile, Input, Output>(input),
            .stream = stream},
           patches_of(shape, x), input, w, static_cast<int>(shape.filters), output, tiles);
  });
}

}  // namespace

int conv2d_stage_blocks(const Conv2dShape& shape) {
  return row_tiles<ActivationOutput>(shape).blocks();
}

void conv2d_stage(cudaStream_t stream, const Conv2dShape& shape, const PixelBatch& x,
                  const float* w, const ActivationOutput& y) {
  run(stream, shape, nullptr, x, w, y);
}

void conv2d_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                  const float* w, const ActivationOutput& y) {
  run(stream, shape, x.x, x, w, y);
}

void conv2d_stage(cudaStream_t stream, const Conv2dShape& shape, const PixelBatch& x,
                  const float* w, const PlainOutput& y) {
  run(stream, shape, nullptr, x, w, y);
}

void conv2d_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                  const float* w, const PlainOutput& y) {
  run(stream, shape, x.x, x, w, y);
}

void conv2d_stage_gradient(cudaStream_t stream, const Conv2dShape& shape, const MapGradient& dy,
                           const float* w, const GradientOutput& dx) {
  run(stream, shape, dy.dy, dy, w, dx);
}

void conv2d_stage_gradient(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& dy,
                           const float* w, const GradientOutput& dx) {
  run(stream, shape, dy.x, dy, w, dx);
}

}  // namespace oddity::kernels
