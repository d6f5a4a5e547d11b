#include "norm_inputs.cuh"
#include "patches.cuh"

namespace oddity::kernels {
namespace {

constexpr int64_t kMostSlices = 128;

__host__ __device__ const float* address(const PixelBatch&) { return nullptr; }
__host__ __device__ const float* address(const NormalisedMap& map) { return map.x; }
__host__ __device__ const float* address(const MapGradient& map) { return map.dy; }

/// Rows: filters; columns: the taps and channels of a patch; depth: a slice of the small side's
/// pixels. Grid: slices, tiles of columns, tiles of rows. To parts [slices, filters, columns].
template <typename Tile, bool kVector, typename Large, typename Small>
__global__ void __launch_bounds__(Tile::kThreads, resident_blocks<Tile>(kVector ? 5 : 4))
    stage_weight_gradient_kernel(Patches patches, Large large, Small small, int slice_pixels,
                                 float* parts) {
  SHARED_DYNAMIC(float, shared);
  float* const small_tables = shared + table_floats(large);
  float* const scratch = small_tables + table_floats(small);
  const auto large_load = prepare<kVector>(large, shared, scratch);
  const auto small_load = prepare<kVector>(small, small_tables, scratch);
  const int64_t filters = small.channels;
  const int64_t first_pixel = int64_t{blockIdx.x} * slice_pixels;
  const int first_column = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const int64_t first_filter = int64_t{blockIdx.z} * Tile::kRows;
  const int64_t left = patches.grid.pixels() - first_pixel;
  const int depth = left < slice_pixels ? static_cast<int>(left) : slice_pixels;
  MatrixAlongExtent<Tile::kRows, Tile::kThreads, kVector, LoadOf<Small>> rows(
      address(small) + first_pixel * filters, filters, first_filter, depth, small_load,
      small.channels);
  PatchesAlongExtent<Tile::kColumns, Tile::kThreads, kVector, LoadOf<Large>> columns(
      patches, first_column, first_pixel, depth, large_load);
  const auto sums = multiply<Tile>(rows, columns, depth);

  const int64_t column_count = patches.depth();
  store_sums(sums, first_column + Tile::column(), column_count, nullptr, Epilogue::none,
             parts + blockIdx.x * filters * column_count, [&](int i) {
               const int64_t filter = first_filter + Tile::row() + i;
               return filter < filters ? filter * column_count : -1;
             });
}

template <typename Large, typename Small>
void run(cudaStream_t stream, const Conv2dShape& shape, const Large& large, const Small& small,
         float* parts) {
  const Slices slices = weight_gradient_slices(shape, kMostSlices);
  const int64_t columns = 9 * shape.channels;
  const bool vector = shape.channels % 4 == 0 && shape.filters % 4 == 0;
  with_tile(columns, vector, [&]<typename Tile, bool kVector>() {
    const int floats = table_floats(large) + table_floats(small) + merge_scratch(Tile::kThreads);
    launch(stage_weight_gradient_kernel < Tile, kVector && kReadsQuads<Large>, Large, Small >,
           {.grid = {slices.count, blocks_for(columns, Tile::kColumns),
                     blocks_for(shape.filters, Tile::kRows)},
            .block = Tile::kThreads,
            .shared = sizeof(float) * static_cast<std::size_t>(floats),
            .stream = stream},
           patches_of(shape, address(large)), large, small, static_cast<int>(slices.depth), parts);
  });
}

}  // namespace

int stage_weight_gradient_slices(const Conv2dShape& shape) {
  return static_cast<int>(weight_gradient_slices(shape, kMostSlices).count);
}

void stage_weight_gradient(cudaStream_t stream, const Conv2dShape& shape, const PixelBatch& large,
                           const MapGradient& small, float* parts) {
  run(stream, shape, large, small, parts);
}

void stage_weight_gradient(cudaStream_t stream, const Conv2dShape& shape,
                           const NormalisedMap& large, const MapGradient& small, float* parts) {
  run(stream, shape, large, small, parts);
}

void stage_weight_gradient(cudaStream_t stream, const Conv2dShape& shape, const MapGradient& large,
                           const NormalisedMap& small, float* parts) {
  run(stream, shape, large, small, parts);
}

void stage_weight_gradient(cudaStream_t stream, const Conv2dShape& shape,
                           const NormalisedMap& large, const NormalisedMap& small, float* parts) {
  run(stream, shape, large, small, parts);
}

}  // namespace oddity::kernels
