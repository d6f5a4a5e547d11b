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
/// pixels. The border, of one, lies behind the last row and column.
std::vector<ConvPass> strided_convolution(const Grid& in, const Grid& out) {
  ConvPass pass;
  pass.rows = in.height / 2;
  pass.width = in.width / 2;
  pass.in_offset = in.origin();
  pass.in_row = 2 * in.row();
  pass.in_step = 2 * in.channels;
  pass.out_offset = out.origin();
  pass.out_row = out.row();
  pass.out_step = out.channels;
  pass.taps = 9;
  for (int tap = 0; tap < 9; ++tap) {
    pass.tap_offset[static_cast<size_t>(tap)] = tap / 3 * in.row() + tap % 3 * in.channels;
  }
  return {pass};
}

/// in → out, the transposed convolution of stride 2; in has its border of one before the first row
/// and column. `in_channels` real channels a tap.
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
    pass.first_input = phase.first * in_channels;
    for (int i = 0; i < phase.taps; ++i) {
      const int tap = phase.first + i;
      pass.tap_offset[static_cast<size_t>(i)] =
          -(kPhaseTapY[tap] == 2 ? in.row() : 0) - (kPhaseTapX[tap] == 2 ? in.channels : 0);
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
  }
  return pass;
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
    channels = stage.out_channels;
    stride = out_stride;
    stages.push_back(stage);
  }
  const Stage& deepest = stages[encoder_stages - 1];
  encoded = deepest.out;
  group = encoded.pixels() < 128 ? 2 : 1;
  features = encoded.size();
  latent_vectors = padded(a.latent_dim) / lanes;
  last_in = {a.height, a.width, stages.back().out.channels, 1, 1, 1, 1};
  last_delta = {a.height, a.width, a.depth, 1, 1, 1, 1};
  last_vectors = stages.back().out_vectors;

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
  dense1 = take(features * latent());
  dense1_bias = take(a.latent_dim);
  dense2 = take(a.latent_dim * features);
  dense2_bias = take(features);

  // Turned weights.
  const auto take_turned = [this](int64_t size) {
    const int64_t offset = turned;
    turned += padded(size);
    return offset;
  };
  for (size_t i = 1; i < count; ++i) {
    const int64_t in_stride = i == encoder_stages ? encoded.channels : stages[i].in.channels;
    stages[i].data_gradient_vectors = in_stride / lanes;
    stages[i].turned = take_turned(9 * stages[i].out_channels * in_stride);
  }
  turned_dense1 = take_turned(a.latent_dim * features);
  turned_dense2 = take_turned(features * latent());

  // Passes.
  for (size_t i = 0; i < count; ++i) {
    Stage& stage = stages[i];
    const Grid& next = i + 1 == count            ? last_in
                       : i + 1 == encoder_stages ? encoded
                                                 : stages[i + 1].in;
    const Grid in_without_border{stage.in.height, stage.in.width, stage.in.channels};
    if (stage.kind == StageKind::convolution) {
      stage.forward = strided_convolution(stage.in, stage.out);
      stage.inference = strided_convolution(stage.in, next);
      if (i > 0) {
        stage.data_gradient =
            transposed_convolution(stage.delta, in_without_border, stage.out_channels);
      }
    } else {
      stage.forward = transposed_convolution(stage.in, stage.out, stage.in_channels);
      stage.inference = transposed_convolution(stage.in, next, stage.in_channels);
      stage.data_gradient = strided_convolution(stage.delta, in_without_border);
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
    last_data_gradient.tap_offset[static_cast<size_t>(tap)] =
        tap / 3 * last_delta.row() + tap % 3 * last_delta.channels;
  }
}

namespace {

/// Position in packed weights [block][inputs][lanes] of (input, output channel).
struct Packed {
  int64_t lanes, vectors, inputs;
  int64_t operator()(int64_t input, int64_t channel) const {
    const int64_t first = channel / lanes / 2 * 2;  // vector the block starts at
    const int64_t row = std::min<int64_t>(2, vectors - first) * lanes;
    return first * lanes * inputs + input * row + channel - first * lanes;
  }
};

int64_t phase_of_tap(int64_t y, int64_t x) {
  for (int64_t i = 0; i < 9; ++i) {
    if (kPhaseTapY[i] == y && kPhaseTapX[i] == x) return i;
  }
  return -1;
}

/// Where tap (y, x) stands in the packed weights of a pass of that kind.
int64_t tap_index(StageKind kind, int64_t y, int64_t x) {
  return kind == StageKind::convolution ? y * 3 + x : phase_of_tap(y, x);
}

/// Calls f(tensor name, element in Keras' layout, position in the flat parameters) for every
/// number.
template <typename F>
void for_each_parameter(const Plan& plan, F&& f) {
  const auto vector = [&f](const std::string& name, int64_t offset, int64_t count) {
    for (int64_t i = 0; i < count; ++i) f(name, i, offset + i);
  };
  const int64_t lanes = plan.lanes;
  for (const Stage& stage : plan.stages) {
    const Packed packed{lanes, stage.out_vectors, 9 * stage.in_channels};
    const int64_t in = stage.in_channels, out = stage.out_channels;
    const bool convolution = stage.kind == StageKind::convolution;
    const std::string kernel = stage.name + ".kernel";
    for (int64_t tap = 0; tap < 9; ++tap) {
      const int64_t index = tap_index(stage.kind, tap / 3, tap % 3);
      for (int64_t i = 0; i < in; ++i) {
        for (int64_t o = 0; o < out; ++o) {
          const int64_t element = convolution ? (tap * in + i) * out + o : (tap * out + o) * in + i;
          f(kernel, element, stage.kernel + packed(index * in + i, o));
        }
      }
    }
    vector(stage.name + ".bias", stage.bias, out);
    vector(stage.norm_name + ".gamma", stage.gamma, out);
    vector(stage.norm_name + ".beta", stage.beta, out);
  }

  // The last layer is packed in its gradient's direction: its inputs are the outputs there.
  const std::string last = fmt::format("decoder.convT{}", plan.encoder_stages + 1);
  const int64_t depth = plan.architecture.depth;
  const int64_t channels = plan.stages.back().out_channels;
  const Packed last_packed{lanes, plan.last_vectors, 9 * depth};
  for (int64_t input = 0; input < 9 * depth; ++input) {
    for (int64_t c = 0; c < channels; ++c) {
      f(last + ".kernel", input * channels + c, plan.last_kernel + last_packed(input, c));
    }
  }
  vector(last + ".bias", plan.last_bias, depth);

  const int64_t latent = plan.architecture.latent_dim;
  const int64_t maps = plan.stages[plan.encoder_stages - 1].out_channels;
  const int64_t stride = plan.encoded.channels;
  const Packed dense1{lanes, plan.latent_vectors, plan.features};
  const Packed dense2{lanes, stride / lanes, latent};
  for (int64_t pixel = 0; pixel < plan.encoded.pixels(); ++pixel) {
    for (int64_t c = 0; c < maps; ++c) {
      const int64_t feature = pixel * maps + c;  // in Keras, without padding
      for (int64_t l = 0; l < latent; ++l) {
        f("encoder.dense1.kernel", feature * latent + l,
          plan.dense1 + dense1(pixel * stride + c, l));
        f("decoder.dense1.kernel", l * plan.encoded.pixels() * maps + feature,
          plan.dense2 + pixel * latent * stride + dense2(l, c));
      }
      f("decoder.dense1.bias", feature, plan.dense2_bias + pixel * stride + c);
    }
  }
  vector("encoder.dense1.bias", plan.dense1_bias, latent);
}

/// for_each_parameter, with the tensor instead of its name.
template <typename WeightsType, typename F>
void for_each_weight(const Plan& plan, WeightsType& weights, F&& f) {
  std::string name;
  decltype(weights.at(name).values.data()) values = nullptr;
  for_each_parameter(plan, [&](const std::string& tensor, int64_t element, int64_t position) {
    if (tensor != name) {
      name = tensor;
      values = weights.at(tensor).values.data();
    }
    f(values[element], position);
  });
}

}  // namespace

void pack(const Plan& plan, const Weights& weights, float* parameters, float* moving) {
  std::fill_n(parameters, plan.parameters, 0.0f);
  for_each_weight(plan, weights,
                  [&](const float& value, int64_t position) { parameters[position] = value; });
  if (moving == nullptr) return;
  std::fill_n(moving, plan.moving, 0.0f);
  for (const Stage& stage : plan.stages) {
    const auto& mean = weights.at(stage.norm_name + ".moving_mean").values;
    const auto& variance = weights.at(stage.norm_name + ".moving_variance").values;
    std::copy(mean.begin(), mean.end(), moving + stage.moving);
    std::copy(variance.begin(), variance.end(), moving + stage.moving + stage.out.channels);
  }
}

void unpack(const Plan& plan, const float* parameters, const float* moving, Weights& weights) {
  for_each_weight(plan, weights,
                  [&](float& value, int64_t position) { value = parameters[position]; });
  if (moving == nullptr) return;
  for (const Stage& stage : plan.stages) {
    const float* mean = moving + stage.moving;
    std::copy_n(mean, stage.out_channels,
                weights.at(stage.norm_name + ".moving_mean").values.begin());
    std::copy_n(mean + stage.out.channels, stage.out_channels,
                weights.at(stage.norm_name + ".moving_variance").values.begin());
  }
}

namespace {

/// to[to_first + c][r] = from[from_first + r][c] for r < rows and c < columns, both packed.
void turn(const float* from, const Packed& from_packed, int64_t from_first, int64_t rows, float* to,
          const Packed& to_packed, int64_t to_first, int64_t columns) {
  for (int64_t c = 0; c < columns; c += 2 * from_packed.lanes) {
    const int64_t block_columns = std::min(2 * from_packed.lanes, columns - c);
    const int64_t from_row = from_packed(1, c) - from_packed(0, c);
    const float* source = from + from_packed(from_first, c);
    for (int64_t r = 0; r < rows; ++r, source += from_row) {
      const int64_t to_row = to_packed(1, r) - to_packed(0, r);
      float* target = to + to_packed(to_first + c, r);
      for (int64_t i = 0; i < block_columns; ++i) target[i * to_row] = source[i];
    }
  }
}

void turn_kernel(const Plan& plan, const Stage& stage, const float* parameters, int64_t tap,
                 float* turned) {
  const Packed from{plan.lanes, stage.out_vectors, 9 * stage.in_channels};
  const Packed to{plan.lanes, stage.data_gradient_vectors, 9 * stage.out_channels};
  const StageKind back =
      stage.kind == StageKind::convolution ? StageKind::transposed : StageKind::convolution;
  turn(parameters + stage.kernel, from, tap_index(stage.kind, tap / 3, tap % 3) * stage.in_channels,
       stage.in_channels, turned + stage.turned, to,
       tap_index(back, tap / 3, tap % 3) * stage.out_channels, stage.out_channels);
}

void turn_dense(const Plan& plan, const float* parameters, float* turned) {
  const int64_t latent = plan.architecture.latent_dim;
  const int64_t channels = plan.encoded.channels;
  const Packed project{plan.lanes, plan.latent_vectors, plan.features};
  const Packed expand{plan.lanes, channels / plan.lanes, latent};
  for (int64_t pixel = 0; pixel < plan.encoded.pixels(); ++pixel) {
    const int64_t block = pixel * latent * channels;
    turn(parameters + plan.dense1, project, pixel * channels, channels,
         turned + plan.turned_dense1 + block, expand, 0, latent);
    turn(parameters + plan.dense2 + block, expand, 0, latent, turned + plan.turned_dense2, project,
         pixel * channels, channels);
  }
}

}  // namespace

size_t turn_tasks(const Plan& plan) { return 9 * (plan.stages.size() - 1) + 1; }

void turn_weights(const Plan& plan, const float* parameters, size_t task, float* turned) {
  if (task == 0) {
    turn_dense(plan, parameters, turned);
  } else {
    const Stage& stage = plan.stages[1 + (task - 1) / 9];
    turn_kernel(plan, stage, parameters, static_cast<int64_t>((task - 1) % 9), turned);
  }
}

}  // namespace oddity::cpu
