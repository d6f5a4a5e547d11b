#include "engine/cpu/winograd.h"

#include <algorithm>

#include "engine/cpu/winograd_layout.h"

namespace oddity::cpu {
namespace {

// Numbers of the tensors of a chunk, inputs and products: enough positions for the micro-kernel,
// few enough for the second-level cache beside the weights.
constexpr int64_t kConvNumbers = 148 * 1024;
constexpr int64_t kGradientNumbers = 112 * 1024;
// Inputs whose gradients are made together: their matrices stay in the second-level cache.
constexpr int64_t kGradientInputs = 32;

/// Where the window of a row of tiles begins, in an image of either grid.
int64_t window_of(const Grid& grid, Grids which, int64_t pixel, int64_t border) {
  return grid.origin() + ((which == Grids::large ? 2 : 1) * pixel - border) * grid.row() -
         border * grid.channels;
}

/// Of a block of packed weights: the first number, and numbers of an input.
struct Block {
  int64_t first, row;
};
Block block_of(const Kernels& kernels, int64_t inputs, int64_t vectors, int64_t block) {
  return {2 * block * kernels.lanes * inputs,
          std::min<int64_t>(2, vectors - 2 * block) * kernels.lanes};
}

/// Where the taps (a, b, odd) × (a, b, odd) lie. A transposed convolution sees its inputs the other
/// way round.
template <typename T>
std::array<T*, 9> tap_pointers(StageKind kind, T* block, int64_t numbers) {
  const int64_t a = kind == StageKind::convolution ? 0 : 2;
  const int64_t lines[3] = {a, 2 - a, 1};
  std::array<T*, 9> taps;
  for (size_t i = 0; i < 9; ++i) {
    taps[i] = block + tap_index(kind, lines[i / 3], lines[i % 3]) * numbers;
  }
  return taps;
}

/// What the weights of a stage are in a direction.
struct Taps {
  StageKind kind;
  int64_t inputs, vectors;
};
Taps taps_of(const Stage& stage, Direction direction) {
  if (direction == Direction::forward) {
    return {stage.kind, stage.in_channels, stage.out_vectors};
  }
  return {stage.turned_kind(), stage.out_channels, stage.data_gradient_vectors};
}

/// The kinds of inputs whose products with their matrices one sum holds.
struct Terms {
  std::array<int, 2> kinds;
  int count;
};
/// Of the sums of a kind in one direction.
Terms terms_of(int kind) {
  if (kind == Kind::a) return {{Kind::a, Kind::first}, 2};
  if (kind == Kind::b) return {{Kind::b, Kind::last}, 2};
  return {{kind, kind}, 1};
}

/// The products of a chunk, to `out`.
void multiply(const Kernels& kernels, const Chunk& chunk, const Layout& from, const Layout& to,
              bool sums, int64_t in_stride, int64_t out_stride, ConvOperands product, float* out) {
  ConvPass pass;
  pass.in_step = in_stride;
  pass.out_step = out_stride;
  const auto run = [&](int64_t width, int64_t first) {
    pass.width = width;
    product.out = out + first * out_stride;
    if (width > 0) kernels.conv(pass, product);
  };
  if (!sums) {
    pass.taps = 1;
    for_matrices([&](int my, int mx) {
      pass.tap_offset[0] = from.begin(my, mx) * in_stride;
      pass.tap_input[0] = matrix_input(my, mx, product.in_channels);
      run(from.count(my, mx), to.begin(my, mx));
    });
    return;
  }
  for (const int ky : {Kind::a, Kind::sum, Kind::b, Kind::difference, Kind::middle}) {
    for (const int kx : {Kind::a, Kind::sum, Kind::b, Kind::difference, Kind::middle}) {
      const Terms down = terms_of(ky), across = terms_of(kx);
      pass.taps = 0;
      for (int i = 0; i < down.count; ++i) {
        for (int j = 0; j < across.count; ++j) {
          const int y = down.kinds[static_cast<size_t>(i)];
          const int x = across.kinds[static_cast<size_t>(j)];
          const auto tap = static_cast<size_t>(pass.taps++);
          pass.tap_offset[tap] = from.first(y, x) * in_stride;
          pass.tap_input[tap] = matrix_input(matrix_of(y), matrix_of(x), product.in_channels);
        }
      }
      run(chunk.count(ky, kx), to.first(ky, kx));
    }
  }
}

}  // namespace

WinogradScratch::WinogradScratch(const Plan& plan) {
  int64_t numbers = 0;
  for (const Stage& stage : plan.stages) {
    if (!stage.winograd) continue;
    const Grid& small = stage.kind == StageKind::convolution ? stage.delta : stage.in;
    const int64_t channels = std::max(stage.in.channels, stage.out.channels);
    const auto need = [&](const Chunk& chunk) {
      numbers = std::max(numbers, Layout(chunk, false).total() * channels);
    };
    for_chunks(small, stage.group, stage.in.channels + stage.out.channels, kConvNumbers, need);
    for_chunks(small, stage.group, kGradientInputs + stage.out.channels, kGradientNumbers, need);
  }
  inputs = Buffer(numbers);
  products = Buffer(numbers);
  matrices = Buffer(numbers > 0 ? winograd_inputs(kGradientInputs) * 2 * plan.lanes : 0);
}

int64_t winograd_matrices(const Kernels& kernels, const Stage& stage, Direction direction) {
  const Taps taps = taps_of(stage, direction);
  return winograd_inputs(taps.inputs) * taps.vectors * kernels.lanes;
}

void winograd_weights(const Kernels& kernels, const Stage& stage, Direction direction,
                      const float* taps, float* matrices) {
  const Taps of = taps_of(stage, direction);
  for (int64_t block = 0; 2 * block < of.vectors; ++block) {
    const Block from = block_of(kernels, 9 * of.inputs, of.vectors, block);
    const Block to = block_of(kernels, winograd_inputs(of.inputs), of.vectors, block);
    const int64_t numbers = of.inputs * from.row;
    kernels.winograd_weights(tap_pointers(of.kind, taps + from.first, numbers), numbers,
                             matrices + to.first, (of.inputs + 1) * to.row);
  }
}

void winograd_conv(const Kernels& kernels, StageKind kind, const Grid& in, const Grid& out,
                   const ConvOperands& operands, WinogradScratch& scratch) {
  const bool strided = kind == StageKind::convolution;
  const Grids from_grid = strided ? Grids::large : Grids::small;
  const Grids to_grid = strided ? Grids::small : Grids::large;
  const int64_t outputs = operands.out_vectors * kernels.lanes;
  ConvOperands product = operands;
  product.in = scratch.inputs.get();
  product.images = 1;
  product.bias = product.scale = product.shift = nullptr;
  product.slope = 1;

  const auto run = [&](const Chunk& chunk) {
    const Layout from(chunk, false), to(chunk, strided);
    chunk.for_strips([&](int64_t i, int64_t tile, int64_t pixel) {
      kernels.winograd_inputs(from.strip(i, tile, in, in.channels, kernels.lanes), from_grid,
                              operands.in + (chunk.image + i) * operands.in_image +
                                  window_of(in, from_grid, pixel, strided ? 0 : 1),
                              scratch.inputs.get());
    });
    multiply(kernels, chunk, from, to, strided, in.channels, outputs, product,
             scratch.products.get());
    chunk.for_strips([&](int64_t i, int64_t tile, int64_t pixel) {
      kernels.winograd_outputs(to.strip(i, tile, out, outputs, kernels.lanes), to_grid,
                               scratch.products.get(), operands,
                               operands.out + (chunk.image + i) * operands.out_image +
                                   window_of(out, to_grid, pixel, 0));
    });
  };
  for_chunks(strided ? out : in, operands.images, in.channels + outputs, kConvNumbers, run);
}

void winograd_gradient(const Kernels& kernels, const Stage& stage, const float* x, const float* g,
                       int64_t images, Begin begin, float* taps, WinogradScratch& scratch) {
  const bool strided = stage.kind == StageKind::convolution;
  const Grid& in = stage.in;
  const Grid& delta = stage.delta;
  const Grid& small = strided ? delta : in;
  const Grids in_grid = strided ? Grids::large : Grids::small;
  const Grids delta_grid = strided ? Grids::small : Grids::large;

  const auto run = [&](const Chunk& chunk) {
    const Layout layout(chunk, false);
    chunk.for_strips([&](int64_t i, int64_t tile, int64_t pixel) {
      kernels.winograd_gradients(
          layout.strip(i, tile, delta, delta.channels, kernels.lanes), delta_grid,
          g + (chunk.image + i) * delta.size() + window_of(delta, delta_grid, pixel, 0),
          scratch.products.get());
    });
    for (int64_t channel = 0; channel < stage.in_channels; channel += kGradientInputs) {
      const int64_t inputs = std::min(kGradientInputs, stage.in_channels - channel);
      const int64_t stride = std::min(kGradientInputs, in.channels - channel);
      chunk.for_strips([&](int64_t i, int64_t tile, int64_t pixel) {
        kernels.winograd_inputs(layout.strip(i, tile, in, stride, kernels.lanes), in_grid,
                                x + (chunk.image + i) * in.size() + channel +
                                    window_of(in, in_grid, pixel, strided ? 0 : 1),
                                scratch.inputs.get());
      });
      for (int64_t block = 0; 2 * block < stage.out_vectors; ++block) {
        const Block of = block_of(kernels, 9 * stage.in_channels, stage.out_vectors, block);
        GradientPass pass;
        pass.x_step = stride;
        pass.g_step = delta.channels;
        for_matrices([&](int my, int mx) {
          pass.width = layout.count(my, mx);
          kernels.weight_gradient(pass, scratch.inputs.get() + layout.begin(my, mx) * stride,
                                  scratch.products.get() + layout.begin(my, mx) * delta.channels +
                                      2 * block * kernels.lanes,
                                  inputs, of.row / kernels.lanes, scratch.matrices.get(),
                                  winograd_inputs(inputs), matrix_input(my, mx, inputs),
                                  Begin::from_zero);
        });
        kernels.winograd_taps(scratch.matrices.get(), (inputs + 1) * of.row, inputs * of.row,
                              tap_pointers(stage.kind, taps + of.first + channel * of.row,
                                           stage.in_channels * of.row),
                              begin);
      }
    }
    begin = Begin::from_output;
  };
  for_chunks(small, images, kGradientInputs + delta.channels, kGradientNumbers, run);
}

}  // namespace oddity::cpu
