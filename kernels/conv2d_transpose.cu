#include "conv2d_transpose.h"
#include "conv2d_transpose_few.h"
#include "gemm.cuh"
#include "patches.cuh"

namespace oddity::kernels {
namespace {

/// Which of a kernel's three rows (or columns) reach an output, in the order of the inputs they
/// weigh: tap i weighs the input first_offset + i beside the output's own by kernel row
/// first_kernel − i · stride.
struct AxisTaps {
  int count;
  int first_offset;
  int first_kernel;
};

/// With stride 1 every kernel row reaches every output. With stride 2 (nothing is padded before)
/// output 2p is reached by row 2 from p − 1 and row 0 from p, output 2p + 1 by row 1 from p.
__device__ AxisTaps axis_taps(int stride, int phase) {
  if (stride == 1) return {3, -1, 2};
  if (phase == 0) return {2, -1, 2};
  return {1, 0, 1};
}

/// Source: columns are the channels c, the depth the taps and filters of w [filters, 3, 3,
/// channels]. With kVector, channels are a multiple of 4.
template <int kExtent, int kThreads, bool kVector>
class TransposedWeights {
 public:
  __device__ TransposedWeights(const float* w, int filters, int channels, int64_t first, int stride,
                               const AxisTaps& rows, const AxisTaps& columns)
      : w_(w + first + Copy::position()),
        filters_(filters),
        channels_(channels),
        size_(quad_size(first + Copy::position(), channels)),
        stride_(stride),
        rows_(rows),
        columns_(columns) {
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      taps_[load].advance(Copy::depth(load), columns.count, filters);
    }
  }
  __device__ __forceinline__ void fetch() {
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      Tap& tap = taps_[load];
      const int row = rows_.first_kernel - tap.row * stride_;
      const int column = columns_.first_kernel - tap.column * stride_;
      const float* p = w_ + (int64_t{tap.channel} * 9 + row * 3 + column) * channels_;
      load_quad<kVector>(p, tap.row < rows_.count ? size_ : 0, quads_[load]);
      tap.advance(kDepth, columns_.count, filters_);
    }
  }
  __device__ __forceinline__ void store(OperandTile<kExtent>& tile) const {
    Copy::store(quads_, tile);
  }

 private:
  using Copy = AlongExtent<kExtent, kThreads>;
  const float* w_;
  int filters_;
  int channels_;
  int size_;
  int stride_;
  AxisTaps rows_;
  AxisTaps columns_;
  Tap taps_[Copy::kLoads];
  float quads_[Copy::kLoads][4];
};

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
  patches.first_row = row_taps.first_offset;
  patches.first_column = column_taps.first_offset;
  patches.row_taps = row_taps.count;
  patches.column_taps = column_taps.count;

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
  // The kernel sets the taps: they depend on the phase.
  const Patches patches = {
      .x = x,
      .height = static_cast<int>(shape.small_height()),
      .width = static_cast<int>(shape.small_width()),
      .channels = static_cast<int>(shape.filters),
      .step = 1,
      .first_row = 0,
      .first_column = 0,
      .row_taps = 0,
      .column_taps = 0,
      .grid = PixelGrid(shape.images, shape.small_height(), shape.small_width())};
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
