// The way back of a training step: from the loss to the gradient of every parameter.
#include <algorithm>

#include "engine/cpu/dense.h"
#include "engine/cpu/training.h"

namespace oddity::cpu {

/// The gradient of a stage before LeakyReLU, to the inside of a bordered buffer.
void Training::stage_delta(size_t index, int64_t image, Scratch& scratch, float* delta,
                           float* dbias) const {
  const Stage& stage = plan_.stages[index];
  const StageState& state = stages_[index];
  const Kernels::BatchNormGradient coefficients{state.mean.get(), state.k1.get(), state.k2.get(),
                                                state.k3.get()};
  Pixels pixels = inside_of(stage.delta, stage.out_vectors);
  delta += stage.delta.origin();
  if (index + 1 < plan_.stages.size()) {
    const float* dy = index + 1 == plan_.encoder_stages
                          ? encoded_gradient_.get() + image * plan_.features
                          : stages_[index + 1].memory.get() + image * stages_[index + 1].image_size;
    kernels_.batch_norm_gradient(pixels, dy, activation(index, image), coefficients,
                                 kLeakyReluSlope, delta, dbias);
    return;
  }
  // The last stage's output gradient is the largest map of all: a band of rows at a time, which
  // stays near.
  for (int64_t row = 0; row < stage.out.height; row += plan_.band) {
    pixels.rows = std::min(plan_.band, stage.out.height - row);
    last_output_gradient(image, row, pixels.rows, scratch);
    kernels_.batch_norm_gradient(pixels, scratch.last_gradient.get(),
                                 activation(index, image) + row * stage.out.row(), coefficients,
                                 kLeakyReluSlope, delta + row * stage.delta.row(), dbias);
  }
}

void Training::finish_backward(size_t index) {
  const Stage& stage = plan_.stages[index];
  StageState& state = stages_[index];
  const int64_t channels = stage.out.channels;
  const auto count = static_cast<double>(n_ * stage.out.pixels());
  // Batch normalisation's own gradients need no parts: the first one holds them, the others zero.
  float* gradient = part_gradient(0);
  for (int64_t c = 0; c < stage.out_channels; ++c) {
    double sum = 0, products = 0;
    for (int64_t block = 0; block < blocks_; ++block) {
      sum += state.sums[static_cast<size_t>(block * 2 * channels + c)];
      products += state.sums[static_cast<size_t>((block * 2 + 1) * channels + c)];
    }
    const auto inverse = static_cast<double>(state.inverse_deviation.get()[c]);
    const auto scale = static_cast<double>(state.scale.get()[c]);
    const double dgamma = products * inverse;
    gradient[stage.gamma + c] = static_cast<float>(dgamma);
    gradient[stage.beta + c] = static_cast<float>(sum);
    state.k1.get()[c] = static_cast<float>(scale);
    state.k2.get()[c] = static_cast<float>(scale * inverse * dgamma / count);
    state.k3.get()[c] = static_cast<float>(scale * sum / count);
  }
}

void Training::backward_stage(size_t index, const Block& block, int thread) {
  const Stage& stage = plan_.stages[index];
  StageState& state = stages_[index];
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  float* gradient = part_gradient(block.index);
  if (index == 0) std::fill_n(gradient + stage.kernel, stage.kernel_size, 0.0f);
  std::fill_n(gradient + stage.bias, stage.out.channels, 0.0f);
  // The stage before, whose batch normalisation this stage's data gradient reaches; the first
  // decoder stage reaches the dense layers instead.
  const bool reaches_norm = index > 0 && index != plan_.encoder_stages;
  if (reaches_norm) {
    const int64_t channels = plan_.stages[index - 1].out.channels;
    std::fill_n(stages_[index - 1].sums.data() + block.index * 2 * channels, 2 * channels, 0.0);
  }
  const int64_t delta_size = stage.delta.size();

  for (int64_t first = block.begin; first < block.end; first += stage.group) {
    const int64_t count = std::min(stage.group, block.end - first);
    const Begin begin = first == block.begin ? Begin::from_zero : Begin::from_output;
    const float* in = stage_input(index, first, count, scratch);
    float* delta = scratch.delta[index].get();
    for (int64_t i = 0; i < count; ++i) {
      stage_delta(index, first + i, scratch, delta + i * delta_size, gradient + stage.bias);
      if (index == 0) {
        kernels_.window_gradient(stage.weight_gradient, stage.in.row(), in + i * stage.in.size(),
                                 delta + i * delta_size, nullptr, stage.in_channels,
                                 stage.out_vectors, gradient + stage.kernel);
      } else if (!stage.winograd) {
        kernels_.weight_gradient(stage.weight_gradient, in + i * stage.in.size(),
                                 delta + i * delta_size, stage.in_channels, stage.out_vectors,
                                 gradient + stage.kernel, 9 * stage.in_channels, 0,
                                 i == 0 ? begin : Begin::from_output);
      }
    }
    if (index == 0) continue;
    if (stage.winograd) {
      winograd_gradient(kernels_, stage, in, delta, count, begin, gradient + stage.kernel,
                        scratch.winograd);
    }

    ConvOperands back;
    back.in = delta;
    back.in_image = delta_size;
    back.out = reaches_norm ? input_gradient(index, first)
                            : feature_gradient_.get() + first * plan_.features;
    back.out_image = reaches_norm ? state.image_size : plan_.features;
    back.images = count;
    back.in_channels = stage.out_channels;
    back.out_vectors = stage.data_gradient_vectors;
    if (stage.winograd) {
      back.weights = stage_matrices(index, Direction::back, scratch);
      back.block_inputs = winograd_inputs(stage.out_channels);
      winograd_conv(kernels_, stage.turned_kind(), stage.delta, stage.in_without_border(), back,
                    scratch.winograd);
    } else {
      back.weights = stage_turned(index, scratch);
      back.block_inputs = 9 * stage.out_channels;
      for (const ConvPass& pass : stage.data_gradient) kernels_.conv(pass, back);
    }
    if (!reaches_norm) continue;
    const Stage& before = plan_.stages[index - 1];
    for (int64_t i = 0; i < count; ++i) {
      kernels_.gradient_sums(input_gradient(index, first + i), activation(index - 1, first + i),
                             stages_[index - 1].mean.get(), before.out.pixels(), before.out_vectors,
                             scratch.sums.data(), scratch.sums.data() + before.out.channels);
      add_sums(stages_[index - 1], block.index, before.out.channels, scratch);
    }
  }
}

void Training::middle_backward(const Block& block, int thread) {
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  const size_t deepest = plan_.encoder_stages - 1;
  StageState& state = stages_[deepest];
  const int64_t channels = plan_.encoded.channels;
  const int64_t count = block.end - block.begin;
  float* latent_gradient = latent_gradient_.get() + block.begin * plan_.latent();
  float* gradient = encoded_gradient_.get() + block.begin * plan_.features;
  const float* const weights = parameters_->weights.get();
  project(plan_, kernels_, feature_gradient_.get() + block.begin * plan_.features, count,
          weights + plan_.dense2, nullptr, scratch.projection.get(), latent_gradient);
  expand(plan_, kernels_, latent_gradient, count, weights + plan_.dense1, nullptr, plan_.encoded,
         gradient);
  std::fill_n(state.sums.data() + block.index * 2 * channels, 2 * channels, 0.0);
  for (int64_t i = 0; i < count; ++i) {
    kernels_.gradient_sums(gradient + i * plan_.features, activation(deepest, block.begin + i),
                           state.mean.get(), plan_.encoded.pixels(),
                           plan_.stages[deepest].out_vectors, scratch.sums.data(),
                           scratch.sums.data() + channels);
    add_sums(state, block.index, channels, scratch);
  }
}

}  // namespace oddity::cpu
