#include "engine/cpu/plan.h"

#include <algorithm>

namespace oddity::cpu {
namespace {

// A stride-2 transposed convolution is four ordinary ones, one for each parity of the output's row
// and column: an even position sees taps 0 and 2 of the inputs i and i − 1, an odd one tap 1 of
// input i. Packed weights hold the nine taps in the order the phases use them.
struct Phase {
  int row, column;  // parity of the output
  int taps, first;
};
constexpr Phase kPhases[] = {{0, 0, 4, 0}, {0, 1, 2, 4}, {1, 0, 2, 6}, {1, 1, 1, 8}};
constexpr int kPhaseTapY[9] = {0, 0, 2, 2, 0, 2, 1, 1, 1};
constexpr int kPhaseTapX[9] = {0, 2, 0, 2, 1, 1, 0, 2, 1};

/// in → out, a stride-2 convolution: window of output (y, x) begins at in (2y, 2x) of the image's
/// pixels. The border, of one, lies behind the last row and column. The last row of outputs, whose
/// third row of taps would read the border only, is a pass of its own without them.
std::vector<ConvPass> strided_convolution(const Grid& in, const Grid& out, int64_t in_channels) {
  ConvPass pass;
  pass.rows = in.height / 2 - 1;
  pass.width = in.width / 2;
  pass.in_offset = in.origin();
  pass.in_row = 2 * in.row();
  pass.in_step = 2 * in.channels;
  pass.out_offset = out.origin();
  pass.out_row = out.row();
  pass.out_step = out.channels;
  pass.taps = 9;
  for (int tap = 0; tap < 9; ++tap) {
    const auto t = static_cast<size_t>(tap);
    pass.tap_offset[t] = tap / 3 * in.row() + tap % 3 * in.channels;
    pass.tap_input[t] = tap * in_channels;
  }
  ConvPass last = pass;
  last.in_offset += pass.rows * pass.in_row;
  last.out_offset += pass.rows * pass.out_row;
  last.rows = 1;
  last.taps = 6;
  return {pass, last};
}

/// in → out, the transposed convolution of stride 2; in has its border of one before the first row
/// and column, and the first row of outputs is a pass of its own without the taps that would read
/// it. `in_channels` real channels a tap.
std::vector<ConvPass> transposed_convolution(const Grid& in, const Grid& out, int64_t in_channels) {
  std::vector<ConvPass> passes;
  for (const Phase& phase : kPhases) {
    ConvPass pass;
    pass.rows = in.height;
    pass.width = in.width;
    pass.in_offset = in.origin();
    pass.in_row = in.row();
    pass.in_step = in.channels;
    pass.out_offset = out.origin() + phase.row * out.row() + phase.column * out.channels;
    pass.out_row = 2 * out.row();
    pass.out_step = 2 * out.channels;
    pass.taps = phase.taps;
    for (int i = 0; i < phase.taps; ++i) {
      const int tap = phase.first + i;
      pass.tap_input[static_cast<size_t>(i)] = tap * in_channels;
      pass.tap_offset[static_cast<size_t>(i)] =
          -(kPhaseTapY[tap] == 2 ? in.row() : 0) - (kPhaseTapX[tap] == 2 ? in.channels : 0);
    }
    if (phase.row == 0) {
      ConvPass first = pass;
      first.rows = 1;
      first.taps = phase.taps / 2;  // those of row 0 come first
      passes.push_back(first);
      pass.rows -= 1;
      pass.in_offset += pass.in_row;
      pass.out_offset += pass.out_row;
    }
    passes.push_back(pass);
  }
  return passes;
}

GradientPass weight_gradient_of(const Stage& stage) {
  GradientPass pass;
  const bool convolution = stage.kind == StageKind::convolution;
  const Grid& small = convolution ? stage.delta : stage.in;
  const Grid& large = convolution ? stage.in : stage.delta;
  pass.rows = small.height;
  pass.width = small.width;
  pass.taps = 9;
  (convolution ? pass.g_row : pass.x_row) = small.row();
  (convolution ? pass.g_step : pass.x_step) = small.channels;
  (convolution ? pass.x_row : pass.g_row) = 2 * large.row();
  (convolution ? pass.x_step : pass.g_step) = 2 * large.channels;
  for (int i = 0; i < 9; ++i) {
    const auto tap = static_cast<size_t>(i);
    const int y = convolution ? i / 3 : kPhaseTapY[i];
    const int x = convolution ? i % 3 : kPhaseTapX[i];
    (convolution ? pass.g_offset : pass.x_offset)[tap] = small.origin();
    (convolution ? pass.x_offset : pass.g_offset)[tap] =
        large.origin() + y * large.row() + x * large.channels;
    pass.rows_left_out[tap] = y == 2 ? 1 : 0;  // the last row of the border
  }
  return pass;
}

constexpr int64_t kBandFloats = 4096;  // 16 KiB

// With fewer channels on either side the transforms cost what the products save, or more: measured
// on 64x64 maps, 24 are within 3 % either way, 16 lose 8 %, 32 and 64 gain 5 to 13 %.
constexpr int64_t kWinogradChannels = 32;

/// Images of a stage whose small grid has so many pixels that fill the micro-kernel's tiles.
int64_t group_of(int64_t pixels, bool winograd) {
  if (winograd && pixels < 64) return 4;
  return pixels < 200 ? 2 : 1;
}

}  // namespace

Plan::Plan(const Architecture& a, int64_t vector_lanes)
    : architecture(a), lanes(vector_lanes), encoder_stages(a.filters.size()) {
  const auto take = [this](int64_t count) {
    const int64_t offset = parameters;
    parameters += padded(count);
    return offset;
  };
  const size_t count = 2 * encoder_stages;

  // Shapes: the input of each stage with the border its windows need, its output, its gradient.
  int64_t height = a.height, width = a.width, channels = a.depth, stride = a.depth;
  for (size_t i = 0; i < count; ++i) {
    const bool encoder = i < encoder_stages;
    const size_t index = encoder ? i : count - 1 - i;
    Stage stage;
    stage.kind = encoder ? StageKind::convolution : StageKind::transposed;
    stage.name = encoder ? fmt::format("encoder.conv{}", i + 1)
                         : fmt::format("decoder.convT{}", i - encoder_stages + 1);
    stage.norm_name = encoder ? fmt::format("encoder.bn{}", i + 1)
                              : fmt::format("decoder.bn{}", i - encoder_stages + 1);
    stage.in_channels = channels;
    stage.out_channels = a.filters[index];
    const int64_t out_stride = padded(stage.out_channels);
    stage.out_vectors = out_stride / lanes;
    if (encoder) {
      stage.in = {height, width, stride, 0, 0, 1, 1};
      height /= 2;
      width /= 2;
      stage.delta = {height, width, out_stride, 1, 1, 0, 0};
    } else {
      stage.in = {height, width, stride, 1, 1, 0, 0};
      height *= 2;
      width *= 2;
      stage.delta = {height, width, out_stride, 0, 0, 1, 1};
    }
    stage.out = {height, width, out_stride};
    const Grid& small = encoder ? stage.out : stage.in;
    stage.winograd = i > 0 && std::min(small.height, small.width) >= 2 &&
                     std::min(stage.in_channels, stage.out_channels) >= kWinogradChannels;
    stage.group = group_of(small.pixels(), stage.winograd);
    group = std::max(group, stage.group);
    channels = stage.out_channels;
    stride = out_stride;
    stages.push_back(stage);
  }
  const Stage& deepest = stages[encoder_stages - 1];
  encoded = deepest.out;
  features = encoded.size();
  latent_vectors = padded(a.latent_dim) / lanes;
  last_in = {a.height, a.width, stages.back().out.channels, 1, 1, 1, 1};
  last_delta = {a.height, a.width, a.depth, 1, 1, 1, 1};
  last_vectors = stages.back().out_vectors;
  band = std::clamp<int64_t>(kBandFloats / last_in.row(), 1, a.height);

  // Parameters: first those whose gradients come in parts.
  for (Stage& stage : stages) {
    stage.kernel_size = 9 * stage.in_channels * stage.out_vectors * lanes;
    stage.kernel = take(stage.kernel_size);
    stage.bias = take(stage.out_channels);
    stage.gamma = take(stage.out_channels);
    stage.beta = take(stage.out_channels);
    stage.moving = moving;
    moving += 2 * stage.out_vectors * lanes;
  }
  last_kernel = take(9 * a.depth * last_vectors * lanes);
  last_bias = take(a.depth);
  partial = parameters;
  dense1 = take(a.latent_dim * features);
  dense1_bias = take(a.latent_dim);
  dense2 = take(a.latent_dim * features);
  dense2_bias = take(features);

  for (size_t i = 1; i < count; ++i) {
    const int64_t in_stride = i == encoder_stages ? encoded.channels : stages[i].in.channels;
    stages[i].data_gradient_vectors = in_stride / lanes;
    stages[i].turned = turned;
    turned += padded(9 * stages[i].out_channels * in_stride);
  }

  // Passes.
  for (size_t i = 0; i < count; ++i) {
    Stage& stage = stages[i];
    stage.next = i + 1 == count ? last_in : i + 1 == encoder_stages ? encoded : stages[i + 1].in;
    const Grid in_without_border = stage.in_without_border();
    if (stage.kind == StageKind::convolution) {
      stage.forward = strided_convolution(stage.in, stage.out, stage.in_channels);
      stage.inference = strided_convolution(stage.in, stage.next, stage.in_channels);
      if (i > 0) {
        stage.data_gradient =
            transposed_convolution(stage.delta, in_without_border, stage.out_channels);
      }
    } else {
      stage.forward = transposed_convolution(stage.in, stage.out, stage.in_channels);
      stage.inference = transposed_convolution(stage.in, stage.next, stage.in_channels);
      stage.data_gradient = strided_convolution(stage.delta, in_without_border, stage.out_channels);
    }
    stage.weight_gradient = weight_gradient_of(stage);
  }
  last_data_gradient.rows = a.height;
  last_data_gradient.width = a.width;
  last_data_gradient.in_row = last_delta.row();
  last_data_gradient.in_step = last_delta.channels;
  last_data_gradient.out_row = stages.back().out.row();
  last_data_gradient.out_step = stages.back().out.channels;
  last_data_gradient.taps = 9;
  for (int tap = 0; tap < 9; ++tap) {
    const auto t = static_cast<size_t>(tap);
    last_data_gradient.tap_offset[t] = tap / 3 * last_delta.row() + tap % 3 * last_delta.channels;
    last_data_gradient.tap_input[t] = tap * a.depth;
  }
}

int64_t tap_index(StageKind kind, int64_t y, int64_t x) {
  if (kind == StageKind::convolution) return y * 3 + x;
  for (int64_t i = 0; i < 9; ++i) {
    if (kPhaseTapY[i] == y && kPhaseTapX[i] == x) return i;
  }
  return -1;
}

}  // namespace oddity::cpu
