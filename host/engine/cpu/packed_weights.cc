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
  const Packed packed{lanes, stride / lanes, latent};
  for (int64_t pixel = 0; pixel < plan.encoded.pixels(); ++pixel) {
    for (int64_t c = 0; c < maps; ++c) {
      const int64_t feature = pixel * maps + c;  // in Keras, without padding
      for (int64_t l = 0; l < latent; ++l) {
        const int64_t position = pixel * plan.pixel_weights() + packed(l, c);
        f("encoder.dense1.kernel", feature * latent + l, plan.dense1 + position);
        f("decoder.dense1.kernel", l * plan.encoded.pixels() * maps + feature,
          plan.dense2 + position);
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

void turn_weights(const Plan& plan, const Kernels& kernels, const Stage& stage,
                  const float* parameters, float* turned) {
  const int64_t in = stage.in_channels, out = stage.out_channels;
  const Packed from{plan.lanes, stage.out_vectors, 9 * in};
  const Packed to{plan.lanes, stage.data_gradient_vectors, 9 * out};
  const int64_t block = 2 * plan.lanes;
  for (int64_t tap = 0; tap < 9; ++tap) {
    const int64_t from_first = tap_index(stage.kind, tap / 3, tap % 3) * in;
    const int64_t to_first = tap_index(stage.turned_kind(), tap / 3, tap % 3) * out;
    for (int64_t o = 0; o < out; o += block) {
      const int64_t from_row = from(1, o) - from(0, o);
      for (int64_t i = 0; i < in; i += block) {
        const int64_t to_row = to(1, i) - to(0, i);
        kernels.transpose(parameters + stage.kernel + from(from_first + i, o), from_row,
                          std::min(block, in - i), std::min(block, out - o),
                          turned + stage.turned + to(to_first + o, i), to_row);
      }
    }
  }
}

}  // namespace oddity::cpu
