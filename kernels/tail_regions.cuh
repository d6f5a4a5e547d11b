// How the images are cut where the end of the decoder keeps their logits in shared memory
// (decoder_tail.h).
#pragma once

#include "patches.cuh"

namespace oddity::kernels {

/// A region of an image: rows × columns of its pixels, from (row, column) on.
struct TailRegion {
  int64_t image;
  int64_t number;  // of the region in its image
  int row, column;
  int rows, columns;
  int channels;

  /// Where the logit of this pixel of the image lies, [rows, columns, channels]; negative where the
  /// region does not have it.
  __device__ __forceinline__ int logit(int image_row, int image_column, int channel) const {
    const int r = image_row - row;
    const int c = image_column - column;
    const bool inside = static_cast<unsigned>(r) < static_cast<unsigned>(rows) &&
                        static_cast<unsigned>(c) < static_cast<unsigned>(columns);
    return inside ? (r * columns + c) * channels + channel : -1;
  }
};

/// The regions of an image of height × width pixels, both even, as are the regions' rows and
/// columns: those at the lower and right ends may go beyond it.
struct TailRegions {
  int height, width, channels;
  int rows, columns;  // of a region
  int down, across;
  // 1 where a region reads one more row (or column) of the stage's input than lies beneath it,
  // since its logits depend on the pixels around it; 0 where it has all of them.
  int row_margin, column_margin;
  Divisor row_numbers;      // columns · channels
  Divisor channel_numbers;  // channels

  __host__ __device__ int count() const { return down * across; }
  __host__ __device__ int logits() const { return rows * columns * channels; }
  /// Numbers of an image.
  __device__ int64_t numbers() const { return int64_t{height} * width * channels; }
  /// The stage's inputs that a region needs for each phase of its outputs.
  PixelGrid phase_grid() const { return {1, rows / 2 + row_margin, columns / 2 + column_margin}; }
  __device__ TailRegion at(int64_t n) const {
    const int64_t image = n / count();
    const int number = static_cast<int>(n - image * count());
    const int row = number / across;
    return {image, number, row * rows, (number - row * across) * columns, rows, columns, channels};
  }
  __device__ bool inside_image(int row, int column) const {
    return static_cast<unsigned>(row) < static_cast<unsigned>(height) &&
           static_cast<unsigned>(column) < static_cast<unsigned>(width);
  }
  /// Which number of its image logit n is; negative where it lies beyond the image's end.
  __device__ __forceinline__ int image_number(const TailRegion& region, int n) const {
    const int row = row_numbers.quotient(n);
    const int in_row = n - row * row_numbers.divisor() + region.column * channels;
    const bool inside = region.row + row < height && in_row < width * channels;
    return inside ? (region.row + row) * width * channels + in_row : -1;
  }
  __device__ __forceinline__ int channel(int n) const {
    return n - channel_numbers.quotient(n) * channels;
  }
};

/// An even number of pixels, at most `most` (even): as few parts as that allows, evenly shared.
inline int64_t even_share(int64_t extent, int64_t most) {
  return 2 * blocks_for(extent / 2, blocks_for(extent, most));
}

/// About square, so that margins are small, with at most kMostLogits numbers; rows are whole where
/// they are short. `channels` of the image: at most a quarter of that.
inline TailRegions tail_regions(const Conv2dShape& stage, int64_t channels) {
  constexpr int64_t kMostLogits = 4096;
  const int64_t pixels = kMostLogits / channels;
  int64_t side = 2;
  while ((side + 2) * (side + 2) <= pixels) side += 2;
  const int64_t columns = even_share(stage.width, side);
  const int64_t rows = even_share(stage.height, pixels / columns / 2 * 2);
  const int64_t down = blocks_for(stage.height, rows);
  const int64_t across = blocks_for(stage.width, columns);
  return {.height = static_cast<int>(stage.height),
          .width = static_cast<int>(stage.width),
          .channels = static_cast<int>(channels),
          .rows = static_cast<int>(rows),
          .columns = static_cast<int>(columns),
          .down = static_cast<int>(down),
          .across = static_cast<int>(across),
          .row_margin = down > 1 ? 1 : 0,
          .column_margin = across > 1 ? 1 : 0,
          .row_numbers = Divisor(columns * channels),
          .channel_numbers = Divisor(channels)};
}

}  // namespace oddity::kernels
