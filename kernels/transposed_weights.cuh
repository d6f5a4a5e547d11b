// The weights of a transposed convolution as an operand, phase by phase.
#pragma once

#include "gemm.cuh"
#include "patches.cuh"

namespace oddity::kernels {

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
__device__ __forceinline__ AxisTaps axis_taps(int stride, int phase) {
  if (stride == 1) return {3, -1, 2};
  if (phase == 0) return {2, -1, 2};
  return {1, 0, 1};
}

/// The small side under the large one, one patch a small pixel; set_taps says which.
inline Patches transposed_patches(const Conv2dShape& shape, const float* x) {
  return {.x = x,
          .height = static_cast<int>(shape.small_height()),
          .width = static_cast<int>(shape.small_width()),
          .channels = static_cast<int>(shape.filters),
          .step = 1,
          .first_row = 0,
          .first_column = 0,
          .row_taps = 0,
          .column_taps = 0,
          .grid = PixelGrid(shape.images, shape.small_height(), shape.small_width())};
}

__device__ __forceinline__ void set_taps(Patches& patches, const AxisTaps& rows,
                                         const AxisTaps& columns) {
  patches.first_row = rows.first_offset;
  patches.first_column = columns.first_offset;
  patches.row_taps = rows.count;
  patches.column_taps = columns.count;
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

}  // namespace oddity::kernels
