// The way back of a training step: from the loss to the gradient of every parameter.
#include <algorithm>

#include "engine/cpu/dense.h"
#include "engine/cpu/training.h"

namespace oddity::cpu {

void Training::last_input(int64_t image, Scratch& scratch) {
  const size_t index = plan_.stages.size() - 1;
  kernels_.affine(inside_of(plan_.last_in, plan_.last_vectors), activation(index, image),
                  scale(index), shift(index), scratch.last_in.get() + plan_.last_in.origin());
}

void Training::last_logits(int64_t image, Scratch& scratch) {
  const float* const weights = parameters_->weights.get();
  last_input(image, scratch);
  kernels_.conv_to_pixels(inside_of(plan_.last_in, plan_.last_vectors), scratch.last_in.get(),
                          weights + plan_.last_kernel, weights + plan_.last_bias,
                          plan_.architecture.depth,
                          logits_.get() + image * plan_.architecture.image().size());
}

void Training::last(const Block& block, int thread) {
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  const size_t index = plan_.stages.size() - 1;
  const Stage& stage = plan_.stages[index];
  StageState& state = stages_[index];
  const int64_t depth = plan_.architecture.depth;
  const Grid& in = plan_.last_in;
  const Grid& delta = plan_.last_delta;

  float* gradient = part_gradient(block.index);
  float* dbias = gradient + plan_.last_bias;
  std::fill_n(gradient + plan_.last_kernel, 9 * depth * in.channels, 0.0f);
  std::fill_n(dbias, depth, 0.0f);
  std::fill_n(state.sums.data() + block.index * 2 * in.channels, 2 * in.channels, 0.0);

  GradientPass window;
  window.rows = in.height;
  window.width = in.width;
  window.x_row = delta.row();
  window.x_step = delta.channels;
  window.g_row = in.row();
  window.g_step = in.channels;
  window.g_offset[0] = in.origin();
  for (int64_t i = block.begin; i < block.end; ++i) {
    const int64_t image = i * plan_.architecture.image().size();
    if (trimmed_) {
      last_input(i, scratch);  // the logits are there
    } else {
      last_logits(i, scratch);
    }
    float* logit_gradient = last_delta_.get() + i * delta.size();
    float* inside = logit_gradient + delta.origin();
    losses_[static_cast<size_t>(i)] = kernels_.reconstruction_gradient(
        logits_.get() + image, pixels_.get() + image, in.height, in.width * depth,
        shares_[static_cast<size_t>(i)], inside, delta.row());

    std::vector<double>& sums = scratch.sums;
    for (int64_t d = 0; d < depth; ++d) {
      double sum = 0;
      for (int64_t y = 0; y < in.height; ++y) {
        for (int64_t x = 0; x < in.width; ++x) {
          sum += static_cast<double>(inside[y * delta.row() + x * depth + d]);
        }
      }
      dbias[d] += static_cast<float>(sum);
    }
    kernels_.window_gradient(window, delta.row(), logit_gradient, scratch.last_in.get(), depth,
                             plan_.last_vectors, gradient + plan_.last_kernel);
    kernels_.gradient_sums(output_gradient(index, i, scratch), activation(index, i),
                           state.mean.get(), stage.out.pixels(), stage.out_vectors, sums.data(),
                           sums.data() + stage.out.channels);
    add_sums(state, block.index, stage.out.channels, scratch);
  }
}

/// The gradient of a stage's output, without border. The last stage's is computed anew each time,
/// from what the last layer left: it is the largest of all, and cheaper to make than to fetch.
const float* Training::output_gradient(size_t index, int64_t image, Scratch& scratch) const {
  if (index + 1 == plan_.encoder_stages) {
    return encoded_gradient_.get() + image * plan_.features;
  }
  if (index + 1 < plan_.stages.size()) {
    return stages_[index + 1].memory.get() + image * stages_[index + 1].image_size;
  }
  const int64_t depth = plan_.architecture.depth;
  ConvOperands back;
  back.in = last_delta_.get() + image * plan_.last_delta.size();
  back.in_channels = depth;
  back.out = scratch.last_gradient.get();
  back.out_vectors = plan_.last_vectors;
  back.weights = parameters_->weights.get() + plan_.last_kernel;
  back.block_inputs = 9 * depth;
  kernels_.conv(plan_.last_data_gradient, back);
  return back.out;
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
  const Pixels pixels = inside_of(stage.delta, stage.out_vectors);
  const int64_t delta_size = stage.delta.size();

  for (int64_t first = block.begin; first < block.end; first += stage.group) {
    const int64_t count = std::min(stage.group, block.end - first);
    const float* in = stage_input(index, first, count, scratch);
    float* delta = scratch.delta[index].get();
    for (int64_t i = 0; i < count; ++i) {
      kernels_.batch_norm_gradient(
          pixels, output_gradient(index, first + i, scratch), activation(index, first + i),
          {state.mean.get(), state.k1.get(), state.k2.get(), state.k3.get()}, kLeakyReluSlope,
          delta + i * delta_size + stage.delta.origin(), gradient + stage.bias);
      if (index == 0) {
        kernels_.window_gradient(stage.weight_gradient, stage.in.row(), in + i * stage.in.size(),
                                 delta + i * delta_size, stage.in_channels, stage.out_vectors,
                                 gradient + stage.kernel);
      } else if (stage.winograd) {
        winograd_gradient(kernels_, stage, in + i * stage.in.size(), delta + i * delta_size,
                          first + i == block.begin ? Begin::from_zero : Begin::from_output,
                          scratch.matrix_gradient.get(), scratch.winograd);
      } else {
        kernels_.weight_gradient(stage.weight_gradient, in + i * stage.in.size(),
                                 delta + i * delta_size, stage.in_channels, stage.out_vectors,
                                 gradient + stage.kernel, 9 * stage.in_channels, 0,
                                 first + i == block.begin ? Begin::from_zero : Begin::from_output);
      }
    }
    if (index == 0) continue;

    ConvOperands back;
    back.in = delta;
    back.in_image = delta_size;
    back.out = reaches_norm ? input_gradient(index, first)
                            : feature_gradient_.get() + first * plan_.features;
    back.out_image = reaches_norm ? state.image_size : plan_.features;
    back.images = count;
    back.in_channels = stage.out_channels;
    back.out_vectors = stage.data_gradient_vectors;
    back.weights = turned_.get() + stage.turned;
    back.block_inputs = 9 * stage.out_channels;
    if (stage.winograd) {
      back.weights = turned_matrices_.get() + stage.turned_matrices;
      back.block_inputs = kWinogradMatrices * stage.out_channels;
      winograd_conv(kernels_, stage.turned_kind(), stage.delta, stage.in_without_border(), back,
                    scratch.winograd);
    } else {
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
  if (stage.winograd) {
    winograd_taps(kernels_, stage, scratch.matrix_gradient.get(), gradient + stage.kernel);
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
  project(plan_, kernels_, feature_gradient_.get() + block.begin * plan_.features, count,
          turned_.get() + plan_.turned_dense2, nullptr, scratch.projection.get(), latent_gradient);
  expand(plan_, kernels_, latent_gradient, count, turned_.get() + plan_.turned_dense1, nullptr,
         plan_.encoded, gradient);
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
