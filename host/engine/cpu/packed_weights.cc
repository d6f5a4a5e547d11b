// Weights in Keras' layouts, in the plan's flat parameters, and turned for the way back.
#include <algorithm>

#include "engine/cpu/plan.h"

namespace oddity::cpu {
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
void turn(const Kernels& kernels, const float* from, const Packed& from_packed, int64_t from_first,
          int64_t rows, float* to, const Packed& to_packed, int64_t to_first, int64_t columns) {
  const int64_t block = 2 * kernels.lanes;
  for (int64_t c = 0; c < columns; c += block) {
    const int64_t from_row = from_packed(1, c) - from_packed(0, c);
    for (int64_t r = 0; r < rows; r += block) {
      const int64_t to_row = to_packed(1, r) - to_packed(0, r);
      kernels.transpose(from + from_packed(from_first + r, c), from_row, std::min(block, rows - r),
                        std::min(block, columns - c), to + to_packed(to_first + c, r), to_row);
    }
  }
}

void turn_kernel(const Plan& plan, const Kernels& kernels, const Stage& stage,
                 const float* parameters, int64_t tap, float* turned) {
  const Packed from{plan.lanes, stage.out_vectors, 9 * stage.in_channels};
  const Packed to{plan.lanes, stage.data_gradient_vectors, 9 * stage.out_channels};
  turn(kernels, parameters + stage.kernel, from,
       tap_index(stage.kind, tap / 3, tap % 3) * stage.in_channels, stage.in_channels,
       turned + stage.turned, to,
       tap_index(stage.turned_kind(), tap / 3, tap % 3) * stage.out_channels, stage.out_channels);
}

void turn_dense(const Plan& plan, const Kernels& kernels, const float* parameters, float* turned) {
  const int64_t latent = plan.architecture.latent_dim;
  const int64_t channels = plan.encoded.channels;
  const Packed project{plan.lanes, plan.latent_vectors, plan.features};
  const Packed expand{plan.lanes, channels / plan.lanes, latent};
  for (int64_t pixel = 0; pixel < plan.encoded.pixels(); ++pixel) {
    const int64_t block = pixel * latent * channels;
    turn(kernels, parameters + plan.dense1, project, pixel * channels, channels,
         turned + plan.turned_dense1 + block, expand, 0, latent);
    turn(kernels, parameters + plan.dense2 + block, expand, 0, latent, turned + plan.turned_dense2,
         project, pixel * channels, channels);
  }
}

}  // namespace

size_t turn_tasks(const Plan& plan) { return 9 * (plan.stages.size() - 1) + 1; }

void turn_weights(const Plan& plan, const Kernels& kernels, const float* parameters, size_t task,
                  float* turned) {
  if (task == 0) {
    turn_dense(plan, kernels, parameters, turned);
  } else {
    const Stage& stage = plan.stages[1 + (task - 1) / 9];
    turn_kernel(plan, kernels, stage, parameters, static_cast<int64_t>((task - 1) % 9), turned);
  }
}

}  // namespace oddity::cpu
