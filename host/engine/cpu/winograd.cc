#include "engine/cpu/winograd.h"

#include <algorithm>

namespace oddity::cpu {
namespace {

// Tensors of one kind of data, by parity: where product (a, b) of the 2×2 taps, product a of odd
// column `pixel`, product b of odd row `pixel`, and the pixel (row, column) of both find theirs.
struct Tensors {
  int64_t count;
  int64_t (*odd_column)(int64_t a, int64_t pixel);
  int64_t (*odd_row)(int64_t b, int64_t pixel);
  int64_t (*odd_both)(int64_t row, int64_t column);
};

// Of the large grid, whose parities are other pixels; also of products.
constexpr Tensors kLarge = {25, [](int64_t a, int64_t pixel) { return 9 + 3 * pixel + a; },
                            [](int64_t b, int64_t pixel) { return 15 + 3 * pixel + b; },
                            [](int64_t row, int64_t column) { return 21 + 2 * row + column; }};
// Of the small grid: (d0 − d1, d1, d2 − d1) holds one of the two pixels, the other is stored
// beside.
constexpr Tensors kSmallInputs = {
    16, [](int64_t a, int64_t pixel) { return pixel == 0 ? 3 * a + 1 : 9 + a; },
    [](int64_t b, int64_t pixel) { return pixel == 0 ? 3 + b : 12 + b; },
    [](int64_t row, int64_t column) {
      return row == 0 ? (column == 0 ? int64_t{4} : int64_t{10})
                      : (column == 0 ? int64_t{13} : int64_t{15});
    }};
// (g0, g0 + g1, g1) holds both.
constexpr Tensors kSmallGradients = {
    9, [](int64_t a, int64_t pixel) { return 3 * a + 2 * pixel; },
    [](int64_t b, int64_t pixel) { return 6 * pixel + b; },
    [](int64_t row, int64_t column) { return 6 * row + 2 * column; }};

constexpr int64_t kOddColumn = 9, kOddRow = 12, kOddBoth = 15;  // matrices, after 3a + b

// Tiles that go through the products together: two segments of the micro-kernel for the
// convolutions, and enough to hide what a tile of sums costs to fetch for the gradients.
constexpr int64_t kConvTiles = 14;
constexpr int64_t kGradientTiles = 49;

int64_t strips_at_once(int64_t tiles_a_strip, int64_t tiles) {
  return std::max<int64_t>(1, (tiles + tiles_a_strip - 1) / tiles_a_strip);
}

/// Strips [first, first + count) of images one after the other.
struct Strips {
  int64_t first, count, per_image;
  int64_t image(int64_t i) const { return (first + i) / per_image; }
  int64_t row(int64_t i) const { return (first + i) % per_image; }
};

TileStrip strip_of(const Grid& grid, int64_t lanes, int64_t tiles, int64_t all_tiles) {
  return {tiles, grid.channels / lanes, grid.row(), grid.channels, all_tiles * grid.channels};
}

/// One term of a sum of products: a tensor of inputs times a matrix of weights.
struct Term {
  int64_t tensor, matrix;
};

/// Calls f(product, its terms) for every sum of products of a convolution.
template <typename F>
void for_each_product(StageKind kind, F&& f) {
  std::array<Term, 4> terms;
  if (kind == StageKind::transposed) {
    const auto single = [&](int64_t product, int64_t tensor, int64_t matrix) {
      terms[0] = {tensor, matrix};
      f(product, terms, 1);
    };
    for (int64_t i = 0; i < 9; ++i) single(i, i, i);
    for (int64_t pixel = 0; pixel < 2; ++pixel) {
      for (int64_t i = 0; i < 3; ++i) {
        single(kLarge.odd_column(i, pixel), kSmallInputs.odd_column(i, pixel), kOddColumn + i);
        single(kLarge.odd_row(i, pixel), kSmallInputs.odd_row(i, pixel), kOddRow + i);
      }
      for (int64_t column = 0; column < 2; ++column) {
        single(kLarge.odd_both(pixel, column), kSmallInputs.odd_both(pixel, column), kOddBoth);
      }
    }
    return;
  }
  // Products of several parities that go to the same outputs are one sum: a = 0 and 2 belong to one
  // row each, b = 0 and 2 to one column.
  for (int64_t a = 0; a < 3; ++a) {
    for (int64_t b = 0; b < 3; ++b) {
      int count = 0;
      const auto add = [&](int64_t tensor, int64_t matrix) {
        terms[static_cast<size_t>(count++)] = {tensor, matrix};
      };
      add(3 * a + b, 3 * a + b);
      if (b != 1) add(kLarge.odd_column(a, b / 2), kOddColumn + a);
      if (a != 1) add(kLarge.odd_row(b, a / 2), kOddRow + b);
      if (a != 1 && b != 1) add(kLarge.odd_both(a / 2, b / 2), kOddBoth);
      f(3 * a + b, terms, count);
    }
  }
}

/// Of a block of packed weights: the first number, and numbers of an input.
struct Block {
  int64_t first, row;
};
Block block_of(const Kernels& kernels, int64_t inputs, int64_t vectors, int64_t block) {
  return {2 * block * kernels.lanes * inputs,
          std::min<int64_t>(2, vectors - 2 * block) * kernels.lanes};
}

/// Where the taps lie that the transforms call a and b: (a, a), (a, b), (b, a), (b, b); (a), (b) in
/// the odd column and in the odd row; both odd. A transposed convolution sees its inputs the
/// other way round.
template <typename T>
std::array<T*, 9> tap_pointers(StageKind kind, T* block, int64_t numbers) {
  const int64_t a = kind == StageKind::convolution ? 0 : 2, b = 2 - a;
  const auto at = [&](int64_t y, int64_t x) { return block + tap_index(kind, y, x) * numbers; };
  return {at(a, a), at(a, b), at(b, a), at(b, b), at(a, 1), at(b, 1), at(1, a), at(1, b), at(1, 1)};
}

/// The weights of a stage in a direction.
struct Taps {
  StageKind kind;
  int64_t inputs, vectors;
  int64_t taps, matrices;  // where they begin
};
Taps taps_of(const Stage& stage, Direction direction) {
  if (direction == Direction::forward) {
    return {stage.kind, stage.in_channels, stage.out_vectors, stage.kernel, stage.matrices};
  }
  return {stage.turned_kind(), stage.out_channels, stage.data_gradient_vectors, stage.turned,
          stage.turned_matrices};
}

}  // namespace

WinogradScratch::WinogradScratch(const Plan& plan) {
  int64_t numbers = 0;
  for (const Stage& stage : plan.stages) {
    if (!stage.winograd) continue;
    const Grid& small = stage.kind == StageKind::convolution ? stage.delta : stage.in;
    const int64_t strip = small.width / 2;
    const int64_t tiles = strip * strips_at_once(strip, std::max(kConvTiles, kGradientTiles));
    numbers =
        std::max(numbers, kLarge.count * tiles * std::max(stage.in.channels, stage.out.channels));
  }
  inputs = Buffer(numbers);
  products = Buffer(numbers);
}

std::vector<WinogradTask> winograd_tasks(const Plan& plan, Direction direction) {
  std::vector<WinogradTask> tasks;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    if (!plan.stages[i].winograd) continue;
    const int64_t blocks = (taps_of(plan.stages[i], direction).vectors + 1) / 2;
    for (int64_t block = 0; block < blocks; ++block) tasks.push_back({i, block});
  }
  return tasks;
}

void winograd_weights(const Plan& plan, const Kernels& kernels, Direction direction,
                      const WinogradTask& task, const float* weights, float* matrices) {
  const Taps taps = taps_of(plan.stages[task.stage], direction);
  const Block from = block_of(kernels, 9 * taps.inputs, taps.vectors, task.block);
  const Block to = block_of(kernels, kWinogradMatrices * taps.inputs, taps.vectors, task.block);
  const int64_t numbers = taps.inputs * from.row;
  kernels.winograd_weights(tap_pointers(taps.kind, weights + taps.taps + from.first, numbers),
                           numbers, matrices + taps.matrices + to.first);
}

void winograd_taps(const Kernels& kernels, const Stage& stage, const float* matrices, float* taps) {
  for (int64_t block = 0; 2 * block < stage.out_vectors; ++block) {
    const Block from =
        block_of(kernels, kWinogradMatrices * stage.in_channels, stage.out_vectors, block);
    const Block to = block_of(kernels, 9 * stage.in_channels, stage.out_vectors, block);
    const int64_t numbers = stage.in_channels * from.row;
    kernels.winograd_taps(matrices + from.first, numbers,
                          tap_pointers(stage.kind, taps + to.first, numbers));
  }
}

void winograd_conv(const Kernels& kernels, StageKind kind, const Grid& in, const Grid& out,
                   const ConvOperands& operands, WinogradScratch& scratch) {
  const bool strided = kind == StageKind::convolution;
  const Grid& small = strided ? out : in;
  const int64_t strip_tiles = small.width / 2, per_image = small.height / 2;
  const int64_t all = operands.images * per_image;
  const int64_t at_once = strips_at_once(strip_tiles, kConvTiles);
  const int64_t outputs = operands.out_vectors * kernels.lanes;

  for (int64_t first = 0; first < all; first += at_once) {
    const Strips strips{first, std::min(at_once, all - first), per_image};
    const int64_t tiles = strips.count * strip_tiles;
    const TileStrip from = strip_of(in, kernels.lanes, strip_tiles, tiles);
    for (int64_t i = 0; i < strips.count; ++i) {
      const float* image = operands.in + strips.image(i) * operands.in_image + in.origin();
      float* target = scratch.inputs.get() + i * strip_tiles * in.channels;
      if (strided) {
        kernels.winograd_large_inputs(from, image + 4 * strips.row(i) * in.row(), target);
      } else {
        // The window begins a pixel before the tile.
        kernels.winograd_small_inputs(
            from, image + (2 * strips.row(i) - 1) * in.row() - in.channels, target);
      }
    }

    ConvPass pass;
    pass.width = tiles;
    pass.in_step = in.channels;
    pass.out_step = outputs;
    ConvOperands product = operands;
    product.in = scratch.inputs.get();
    product.images = 1;
    product.bias = product.scale = product.shift = nullptr;
    product.slope = 1;
    for_each_product(kind, [&](int64_t index, const std::array<Term, 4>& terms, int count) {
      pass.taps = count;
      for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
        pass.tap_offset[i] = terms[i].tensor * from.tensor;
        pass.tap_input[i] = terms[i].matrix * operands.in_channels;
      }
      product.out = scratch.products.get() + index * tiles * outputs;
      kernels.conv(pass, product);
    });

    TileStrip to = strip_of(out, kernels.lanes, strip_tiles, tiles);
    to.vectors = operands.out_vectors;
    to.tensor = tiles * outputs;
    for (int64_t i = 0; i < strips.count; ++i) {
      float* image = operands.out + strips.image(i) * operands.out_image + out.origin();
      const float* source = scratch.products.get() + i * strip_tiles * outputs;
      if (strided) {
        kernels.winograd_small_outputs(to, source, operands, image + 2 * strips.row(i) * out.row());
      } else {
        kernels.winograd_large_outputs(to, source, operands, image + 4 * strips.row(i) * out.row());
      }
    }
  }
}

void winograd_gradient(const Kernels& kernels, const Stage& stage, const float* x, const float* g,
                       Begin begin, float* matrices, WinogradScratch& scratch) {
  const bool strided = stage.kind == StageKind::convolution;
  const Grid& in = stage.in;
  const Grid& delta = stage.delta;
  const Grid& small = strided ? delta : in;
  const Tensors& inputs = strided ? kLarge : kSmallInputs;
  const Tensors& gradients = strided ? kSmallGradients : kLarge;
  const int64_t strip_tiles = small.width / 2, all = small.height / 2;
  const int64_t at_once = strips_at_once(strip_tiles, kGradientTiles);

  for (int64_t first = 0; first < all; first += at_once) {
    const int64_t count = std::min(at_once, all - first);
    const int64_t tiles = count * strip_tiles;
    const TileStrip from = strip_of(in, kernels.lanes, strip_tiles, tiles);
    const TileStrip of = strip_of(delta, kernels.lanes, strip_tiles, tiles);
    for (int64_t i = 0; i < count; ++i) {
      const float* pixels = x + in.origin();
      const float* slopes = g + delta.origin();
      float* to = scratch.inputs.get() + i * strip_tiles * in.channels;
      float* to_slopes = scratch.products.get() + i * strip_tiles * delta.channels;
      const int64_t row = first + i;
      if (strided) {
        kernels.winograd_large_inputs(from, pixels + 4 * row * in.row(), to);
        kernels.winograd_small_gradients(of, slopes + 2 * row * delta.row(), to_slopes);
      } else {
        kernels.winograd_small_inputs(from, pixels + (2 * row - 1) * in.row() - in.channels, to);
        kernels.winograd_large_gradients(of, slopes + 4 * row * delta.row(), to_slopes);
      }
    }

    GradientPass pass;
    pass.width = tiles;
    pass.x_step = in.channels;
    pass.g_step = delta.channels;
    const Begin from_here = first == 0 ? begin : Begin::from_output;
    // Adds the sum over tiles, and over two pixels where there are two, to a matrix.
    const auto add = [&](int64_t matrix, int64_t rows, std::array<int64_t, 2> xs,
                         std::array<int64_t, 2> gs, Begin begin_matrix) {
      pass.rows = rows;
      pass.x_offset[0] = xs[0] * from.tensor;
      pass.x_row = (xs[1] - xs[0]) * from.tensor;
      pass.g_offset[0] = gs[0] * of.tensor;
      pass.g_row = (gs[1] - gs[0]) * of.tensor;
      kernels.weight_gradient(pass, scratch.inputs.get(), scratch.products.get(), stage.in_channels,
                              stage.out_vectors, matrices, kWinogradMatrices * stage.in_channels,
                              matrix * stage.in_channels, begin_matrix);
    };
    for (int64_t i = 0; i < 9; ++i) add(i, 1, {i, i}, {i, i}, from_here);
    for (int64_t i = 0; i < 3; ++i) {
      add(kOddColumn + i, 2, {inputs.odd_column(i, 0), inputs.odd_column(i, 1)},
          {gradients.odd_column(i, 0), gradients.odd_column(i, 1)}, from_here);
      add(kOddRow + i, 2, {inputs.odd_row(i, 0), inputs.odd_row(i, 1)},
          {gradients.odd_row(i, 0), gradients.odd_row(i, 1)}, from_here);
    }
    for (int64_t row = 0; row < 2; ++row) {
      add(kOddBoth, 2, {inputs.odd_both(row, 0), inputs.odd_both(row, 1)},
          {gradients.odd_both(row, 0), gradients.odd_both(row, 1)},
          row == 0 ? from_here : Begin::from_output);
    }
  }
}

}  // namespace oddity::cpu
