// How winograd.cc lays a stage's images out: tiles, the kinds of numbers of each, and the tensors
// they make.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/cpu/kernels.h"
#include "engine/cpu/plan.h"

namespace oddity::cpu {

// Of one direction: those of a, a + b, b, a − b and the odd tap.
inline constexpr int kMatrices = 5;
constexpr int matrix_of(int kind) { return std::min<int>(kind, kMatrices - 1); }

/// Where the inputs of a matrix begin among those of packed weights (winograd_inputs()).
constexpr int64_t matrix_input(int my, int mx, int64_t channels) {
  return (kMatrices * my + mx) * (channels + 1);
}

/// Tiles of a row or column of pixels.
struct Tiling {
  int64_t threes = 0, all = 0;  // of three pixels, which come first, then of two

  /// As few twos as leave a number that three divides. pixels ≥ 2.
  static Tiling of(int64_t pixels) {
    const int64_t twos = (3 - pixels % 3) % 3;
    const int64_t threes = (pixels - 2 * twos) / 3;
    return {threes, threes + twos};
  }
  int64_t count(int kind) const {
    return kind == Kind::difference || kind == Kind::middle ? threes : all;
  }
  int64_t size(int64_t tile) const { return tile < threes ? 3 : 2; }
  int64_t pixel(int64_t tile) const { return 2 * tile + std::min(tile, threes); }
};

/// What goes through the products together: some rows of tiles of an image, or all of some images.
struct Chunk {
  int64_t image, images;
  int64_t pixel;  // of the small grid: the first row
  Tiling rows, columns;

  /// Calls f(image of the chunk, row of tiles, first row of pixels in the small grid).
  template <typename F>
  void for_strips(F&& f) const {
    for (int64_t i = 0; i < images; ++i) {
      for (int64_t tile = 0; tile < rows.all; ++tile) f(i, tile, pixel + rows.pixel(tile));
    }
  }
  int64_t count(int ky, int kx) const { return images * rows.count(ky) * columns.count(kx); }
};

/// The kinds of one direction one behind the other, those of a matrix together. In the sums of a
/// convolution to the small grid the first and last odd kinds are part of others.
struct Line {
  Line(const Tiling& tiles, bool sums) {
    for (int kind = 0; kind < Kind::count; ++kind) {
      const auto k = static_cast<size_t>(kind);
      const auto m = static_cast<size_t>(matrix_of(kind));
      count[k] = sums && (kind == Kind::first || kind == Kind::last) ? 0 : tiles.count(kind);
      inside[k] = size[m];
      size[m] += count[k];
    }
    for (size_t m = 0; m < kMatrices; ++m) {
      begin[m] = total;
      total += size[m];
    }
  }
  std::array<int64_t, Kind::count> count{}, inside{};  // of each kind, from its matrix' begin on
  std::array<int64_t, kMatrices> size{}, begin{};      // of each matrix
  int64_t total = 0;
};

/// Where the tensors of a chunk begin, in positions: those of a matrix one behind the other.
class Layout {
 public:
  Layout(const Chunk& chunk, bool sums)
      : chunk_(chunk), rows_(chunk.rows, sums), columns_(chunk.columns, sums) {
    for (int ky = 0; ky < Kind::count; ++ky) {
      for (int kx = 0; kx < Kind::count; ++kx) first_[index(ky, kx)] = begin_of(ky, kx);
    }
  }

  int64_t total() const { return chunk_.images * rows_.total * columns_.total; }
  int64_t begin(int my, int mx) const {
    const auto y = static_cast<size_t>(my), x = static_cast<size_t>(mx);
    return chunk_.images * (rows_.begin[y] * columns_.total + rows_.size[y] * columns_.begin[x]);
  }
  int64_t count(int my, int mx) const {
    return chunk_.images * rows_.size[static_cast<size_t>(my)] *
           columns_.size[static_cast<size_t>(mx)];
  }
  int64_t first(int ky, int kx) const { return first_[index(ky, kx)]; }

  /// Row `tile` of tiles of an image of the chunk, in a grid whose channels are `channels` floats
  /// in the tensors.
  TileStrip strip(int64_t image, int64_t tile, const Grid& grid, int64_t channels,
                  int64_t lanes) const {
    TileStrip strip;
    strip.height = chunk_.rows.size(tile);
    strip.threes = chunk_.columns.threes;
    strip.tiles = chunk_.columns.all;
    strip.vectors = channels / lanes;
    strip.row = grid.row();
    strip.step = grid.channels;
    for (int ky = 0; ky < Kind::count; ++ky) {
      const int64_t row = image * chunk_.rows.count(ky) + tile;
      for (int kx = 0; kx < Kind::count; ++kx) {
        strip.tensor[index(ky, kx)] = (first(ky, kx) + row * chunk_.columns.count(kx)) * channels;
      }
    }
    return strip;
  }

 private:
  static size_t index(int ky, int kx) {
    return static_cast<size_t>(ky) * Kind::count + static_cast<size_t>(kx);
  }
  int64_t begin_of(int ky, int kx) const {
    const int my = matrix_of(ky), mx = matrix_of(kx);
    const auto y = static_cast<size_t>(ky), x = static_cast<size_t>(kx);
    return begin(my, mx) +
           chunk_.images * (rows_.inside[y] * columns_.size[static_cast<size_t>(mx)] +
                            rows_.count[y] * columns_.inside[x]);
  }

  const Chunk& chunk_;
  Line rows_, columns_;
  std::array<int64_t, Kind::count * Kind::count> first_;  // asked for by every strip
};

/// Calls f(my, mx) for every matrix of weights.
template <typename F>
void for_matrices(F&& f) {
  for (int my = 0; my < kMatrices; ++my) {
    for (int mx = 0; mx < kMatrices; ++mx) f(my, mx);
  }
}

/// Calls f(chunk) for chunks of at most `most` numbers, `numbers` at each position, but for rows of
/// tiles that are larger.
template <typename F>
void for_chunks(const Grid& small, int64_t images, int64_t numbers, int64_t most, F&& f) {
  const Tiling rows = Tiling::of(small.height), columns = Tiling::of(small.width);
  const Chunk one{0, 1, 0, rows, columns};
  const int64_t image_numbers = Layout(one, false).total() * numbers;
  if (image_numbers <= most) {
    const int64_t at_once = std::min(most / image_numbers, images);
    for (int64_t i = 0; i < images; i += at_once) {
      f(Chunk{i, std::min(at_once, images - i), 0, rows, columns});
    }
    return;
  }
  const int64_t parts = std::min(rows.all, (image_numbers + most - 1) / most);
  for (int64_t i = 0; i < images; ++i) {
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = part * rows.all / parts, end = (part + 1) * rows.all / parts;
      const int64_t threes = std::clamp<int64_t>(rows.threes - begin, 0, end - begin);
      f(Chunk{i, 1, rows.pixel(begin), {threes, end - begin}, columns});
    }
  }
}

}  // namespace oddity::cpu
