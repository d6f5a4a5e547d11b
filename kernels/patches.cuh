// The patches of images as matrices that exist only while they are copied to shared memory: a row a
// pixel of a grid, a column a (tap, channel) of the patch beneath it (implicit GEMM).
#pragma once

#include "conv2d.h"
#include "gemm.cuh"

namespace oddity::kernels {

/// Division of 0 ≤ n < 2³¹ by a constant, as a multiplication by its inverse rounded up to 32 bits
/// (Granlund and Montgomery 1994).
class Divisor {
 public:
  /// 0 < divisor < 2³¹.
  explicit Divisor(int64_t divisor) : divisor_(static_cast<int>(divisor)) {
    while ((int64_t{1} << (shift_ - 31)) < divisor) ++shift_;
    const auto d = static_cast<uint64_t>(divisor);
    multiplier_ = static_cast<uint32_t>(((uint64_t{1} << shift_) + d - 1) / d);
  }
  __device__ int quotient(int n) const {
    return static_cast<int>(uint64_t{static_cast<uint32_t>(n)} * multiplier_ >> shift_);
  }
  __device__ int divisor() const { return divisor_; }

 private:
  int divisor_;
  int shift_ = 31;
  uint32_t multiplier_;
};

/// A grid of pixels [images, rows, columns]. One image has fewer than 2³⁰ of them.
struct PixelGrid {
  PixelGrid(int64_t image_count, int64_t rows, int64_t columns)
      : images(image_count), image(rows * columns), row(columns) {}
  __device__ int64_t pixels() const { return images * image.divisor(); }

  int64_t images;
  Divisor image;
  Divisor row;
};

struct Pixel {
  int64_t image;
  int row;
  int column;
};

/// Where the pixels after a first one lie. The long division is done once.
class PixelsFrom {
 public:
  __device__ PixelsFrom(const PixelGrid& grid, int64_t first)
      : grid_(grid),
        image_(first / grid.image.divisor()),
        rest_(static_cast<int>(first - image_ * grid.image.divisor())) {}
  /// Pixel first + n, 0 ≤ n < 2³⁰.
  __device__ __forceinline__ Pixel at(int n) const {
    const int in_images = rest_ + n;
    const int image = grid_.image.quotient(in_images);
    const int in_image = in_images - image * grid_.image.divisor();
    const int row = grid_.row.quotient(in_image);
    return {image_ + image, row, in_image - row * grid_.row.divisor()};
  }

 private:
  const PixelGrid& grid_;
  int64_t image_;
  int rest_;
};

/// Patches of x [images, height, width, channels], one a pixel of the grid. That of pixel
/// (row, column) covers rows row · step + first_row … + row_taps, and so the columns; what lies
/// outside of x counts as 0. An image has fewer than 2³¹ numbers.
struct Patches {
  const float* x;
  int height, width, channels;
  int step;
  int first_row, first_column;
  int row_taps, column_taps;
  PixelGrid grid;

  __device__ int depth() const { return row_taps * column_taps * channels; }
  /// Numbers of an image.
  __device__ int64_t size() const { return int64_t{height} * width * channels; }
  /// Whether x has this pixel.
  __device__ bool inside(int row, int column) const {
    return static_cast<unsigned>(row) < static_cast<unsigned>(height) &&
           static_cast<unsigned>(column) < static_cast<unsigned>(width);
  }
};

/// The patches of the large side under the filters, one a small pixel.
inline Patches patches_of(const Conv2dShape& shape, const float* x) {
  const int before = shape.stride == 1 ? 1 : 0;
  return {.x = x,
          .height = static_cast<int>(shape.height),
          .width = static_cast<int>(shape.width),
          .channels = static_cast<int>(shape.channels),
          .step = static_cast<int>(shape.stride),
          .first_row = -before,
          .first_column = -before,
          .row_taps = 3,
          .column_taps = 3,
          .grid = PixelGrid(shape.images, shape.small_height(), shape.small_width())};
}

/// How the pixels that the gradient of the weights is a sum over are cut: enough slices for about
/// two blocks on each of a big GPU's multiprocessors, but no more than `most`, or adding them up
/// takes longer than they did.
inline Slices weight_gradient_slices(const Conv2dShape& shape, int64_t most) {
  constexpr int64_t kBlocks = 288;
  int64_t tiles = 1;
  with_tile(9 * shape.channels, true, [&]<typename Tile, bool kVector>() {
    tiles = blocks_for(9 * shape.channels, Tile::kColumns) * blocks_for(shape.filters, Tile::kRows);
  });
  return cut_into_slices(shape.small_pixels(), std::clamp<int64_t>(kBlocks / tiles, 1, most));
}

/// A place in a patch, or in the weights that belong to it: taps by rows, each with its channels.
struct Tap {
  int row = 0;
  int column = 0;
  int channel = 0;

  /// `steps` on, in a patch of `columns` taps a row, `channels` each.
  __device__ __forceinline__ void advance(int steps, int columns, int channels) {
    channel += steps;
    while (channel >= channels) {
      channel -= channels;
      if (++column == columns) {
        column = 0;
        ++row;
      }
    }
  }
};

/// Source: rows are patches, the depth their taps and channels. With kVector, channels are a
/// multiple of 4.
template <int kExtent, int kThreads, bool kVector, typename Load = AsStored>
class PatchesAlongDepth {
 public:
  /// The tile from pixel `first` of the grid on.
  __device__ PatchesAlongDepth(const Patches& patches, int64_t first, const Load& how = {})
      : load_(how), patches_(patches) {
    const PixelsFrom pixels(patches.grid, first);
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      // What lies beyond the grid is not stored: any readable patch will do.
      const int n = Copy::position(load);
      const Pixel pixel = pixels.at(first + n < patches.grid.pixels() ? n : 0);
      rows_[load] = pixel.row * patches.step + patches.first_row;
      columns_[load] = pixel.column * patches.step + patches.first_column;
      images_[load] = load_.image(patches.x, pixel.image, patches.size());
    }
    tap_.advance(Copy::depth(), patches.column_taps, patches.channels);
  }
  __device__ __forceinline__ void fetch() {
    channel_ = tap_.channel;
    exist_ = 0;
    if constexpr (kVector) {
#pragma unroll
      for (int load = 0; load < Copy::kLoads; ++load) {
        const int at = offset(load, tap_);
        load_.read(images_[load], at, at >= 0, quads_[load]);
        exist_ |= (at < 0 ? 0 : kWholeQuad) << 4 * load;
      }
      tap_.advance(kDepth, patches_.column_taps, patches_.channels);
    } else {
      Tap tap = tap_;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int load = 0; load < Copy::kLoads; ++load) {
          const int at = offset(load, tap);
          load_.read(images_[load], at, at >= 0, i, quads_[load]);
          exist_ |= (at < 0 ? 0u : 1u) << (4 * load + i);
        }
        tap.advance(1, patches_.column_taps, patches_.channels);
      }
      tap_.advance(kDepth, patches_.column_taps, patches_.channels);
    }
  }
  __device__ __forceinline__ void store(OperandTile<kExtent>& tile) const {
    float quads[Copy::kLoads][4];
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      load_.template finish<kVector>(quads_[load], channel_, exist_ >> 4 * load, quads[load]);
    }
    Copy::store(quads, tile);
  }

 private:
  using Copy = AlongDepth<kExtent, kThreads>;

  /// Of the tap in its image; negative where there is none.
  __device__ __forceinline__ int offset(int load, const Tap& tap) const {
    const int row = rows_[load] + tap.row;
    const int column = columns_[load] + tap.column;
    const bool exists = tap.row < patches_.row_taps && patches_.inside(row, column);
    return exists ? (row * patches_.width + column) * patches_.channels + tap.channel : -1;
  }

  Load load_;
  const Patches& patches_;
  Tap tap_;
  int rows_[Copy::kLoads];
  int columns_[Copy::kLoads];
  typename Load::Pointer images_[Copy::kLoads];
  // What was fetched last.
  int channel_ = 0;
  unsigned exist_ = 0;  // four bits a load
  typename Load::Quad quads_[Copy::kLoads];
};

/// Source: columns are taps and channels, the depth is pixels. With kVector, channels are a
/// multiple of 4.
template <int kExtent, int kThreads, bool kVector, typename Load = AsStored>
class PatchesAlongExtent {
 public:
  /// The tile from column `first` on; pixels first_pixel … + depth of the grid.
  __device__ PatchesAlongExtent(const Patches& patches, int first, int64_t first_pixel, int depth,
                                const Load& how = {})
      : load_(how), patches_(patches), pixels_(patches.grid, first_pixel), depth_(depth) {
    Tap tap;
    tap.advance(first + Copy::position(), patches.column_taps, patches.channels);
#pragma unroll
    for (int i = 0; i < kTaps; ++i) {
      taps_[i] = tap;
      tap.advance(1, patches.column_taps, patches.channels);
    }
  }
  __device__ __forceinline__ void fetch() {
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      const int depth = next_ + Copy::depth(load);
      const Pixel pixel = pixels_.at(depth < depth_ ? depth : 0);
      const auto image = load_.image(patches_.x, pixel.image, patches_.size());
      exist_[load] = 0;
#pragma unroll
      for (int i = 0; i < kTaps; ++i) {
        const int row = pixel.row * patches_.step + patches_.first_row + taps_[i].row;
        const int column = pixel.column * patches_.step + patches_.first_column + taps_[i].column;
        const bool exists =
            depth < depth_ && taps_[i].row < patches_.row_taps && patches_.inside(row, column);
        const int at = (row * patches_.width + column) * patches_.channels + taps_[i].channel;
        if constexpr (kVector) {
          load_.read(image, at, exists, quads_[load]);
          exist_[load] = exists ? kWholeQuad : 0;
        } else {
          load_.read(image, at, exists, i, quads_[load]);
          exist_[load] |= (exists ? 1u : 0u) << i;
        }
      }
    }
    next_ += kDepth;
  }
  __device__ __forceinline__ void store(OperandTile<kExtent>& tile) const {
    float quads[Copy::kLoads][4];
#pragma unroll
    for (int load = 0; load < Copy::kLoads; ++load) {
      load_.template finish<kVector>(quads_[load], taps_[0].channel, exist_[load], quads[load]);
    }
    Copy::store(quads, tile);
  }

 private:
  using Copy = AlongExtent<kExtent, kThreads>;
  static constexpr int kTaps = kVector ? 1 : 4;

  Load load_;
  const Patches& patches_;
  PixelsFrom pixels_;
  Tap taps_[kTaps];
  int next_ = 0;
  int depth_;
  // What was fetched last.
  unsigned exist_[Copy::kLoads];
  typename Load::Quad quads_[Copy::kLoads];
};

}  // namespace oddity::kernels
