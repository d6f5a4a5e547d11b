#include <algorithm>

#include "conv2d.h"
#include "gemm.cuh"
#include "patches.cuh"
#include "slices.h"

namespace oddity::kernels {
namespace {

/// Rows of the product: the small side's pixels; columns: filters; depth: the taps and channels of
/// a patch. Grid: tiles of rows, tiles of columns.
template <typename Tile, bool kVector>
__global__ void __launch_bounds__(Tile::kThreads)
    conv2d_kernel(Patches patches, const float* w, const float* bias, Epilogue epilogue,
                  int64_t filters, float* y) {
  const int64_t first_pixel = int64_t{blockIdx.x} * Tile::kRows;
  const int64_t first_filter = int64_t{blockIdx.y} * Tile::kColumns;
  const int depth = patches.depth();
  PatchesAlongDepth<Tile::kRows, Tile::kThreads, kVector> rows(patches, first_pixel);
  MatrixAlongDepth<Tile::kColumns, Tile::kThreads, kVector> columns(w, depth, filters, first_filter,
                                                                    depth);
  const auto sums = multiply<Tile>(rows, columns, depth);

  const int64_t pixels = patches.grid.pixels();
  store_sums(sums, first_filter + Tile::column(), filters, bias, epilogue, y, [&](int i) {
    const int64_t pixel = first_pixel + Tile::row() + i;
    return pixel < pixels ? pixel * filters : -1;
  });
}

/// Rows: filters; columns: the taps and channels of a patch; depth: a slice of the small side's
/// pixels. Grid: slices, tiles of columns, tiles of rows. To partials [slices, filters, columns].
template <typename Tile, bool kVector>
__global__ void __launch_bounds__(Tile::kThreads)
    conv2d_weight_gradient_kernel(Patches patches, const float* dy, int64_t filters,
                                  int slice_pixels, float* partials) {
  const int64_t first_pixel = int64_t{blockIdx.x} * slice_pixels;
  const int first_column = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const int64_t first_filter = int64_t{blockIdx.z} * Tile::kRows;
  const int64_t left = patches.grid.pixels() - first_pixel;
  const int depth = left < slice_pixels ? static_cast<int>(left) : slice_pixels;
  MatrixAlongExtent<Tile::kRows, Tile::kThreads, kVector> rows(dy + first_pixel * filters, filters,
                                                               first_filter, depth);
  PatchesAlongExtent<Tile::kColumns, Tile::kThreads, kVector> columns(patches, first_column,
                                                                      first_pixel, depth);
  const auto sums = multiply<Tile>(rows, columns, depth);

  const int64_t column_count = patches.depth();
  store_sums(sums, first_column + Tile::column(), column_count, nullptr, Epilogue::none,
             partials + blockIdx.x * filters * column_count, [&](int i) {
               const int64_t filter = first_filter + Tile::row() + i;
               return filter < filters ? filter * column_count : -1;
             });
}

constexpr int64_t kMostSlices = 256;

}  // namespace

void conv2d(cudaStream_t stream, const Conv2dShape& shape, const float* x, const float* w,
            const float* bias, Epilogue epilogue, float* y) {
  if (shape.images == 0) return;
  with_tile(shape.filters, shape.channels % 4 == 0, [&]<typename Tile, bool kVector>() {
    launch(conv2d_kernel<Tile, kVector>,
           {.grid = {blocks_for(shape.small_pixels(), Tile::kRows),
                     blocks_for(shape.filters, Tile::kColumns)},
            .block = Tile::kThreads,
            .stream = stream},
           patches_of(shape, x), w, bias, epilogue, shape.filters, y);
  });
}

int64_t conv2d_weight_gradient_workspace(const Conv2dShape& shape) {
  const Slices slices = weight_gradient_slices(shape, kMostSlices);
  return slices.count > 1 ? slices.count * shape.filters * 9 * shape.channels : 0;
}

void conv2d_weight_gradient(cudaStream_t stream, const Conv2dShape& shape, const float* x,
                            const float* dy, float* dw, float* workspace) {
  const Slices slices = weight_gradient_slices(shape, kMostSlices);
  const int64_t columns = 9 * shape.channels;
  float* partials = slices.count > 1 ? workspace : dw;
  const bool vector = shape.channels % 4 == 0 && shape.filters % 4 == 0;
  with_tile(columns, vector, [&]<typename Tile, bool kVector>() {
    launch(conv2d_weight_gradient_kernel<Tile, kVector>,
           {.grid = {slices.count, blocks_for(columns, Tile::kColumns),
                     blocks_for(shape.filters, Tile::kRows)},
            .block = Tile::kThreads,
            .stream = stream},
           patches_of(shape, x), dy, shape.filters, static_cast<int>(slices.depth), partials);
  });
  if (slices.count > 1) {
    sum_slices(stream, slices.count, shape.filters, columns, partials, nullptr, dw);
  }
}

}  // namespace oddity::kernels
