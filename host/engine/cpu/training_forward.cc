// The way forward of a training step: activations and batch statistics.
#include <algorithm>
#include <cmath>

#include "engine/cpu/dense.h"
#include "engine/cpu/training.h"

namespace oddity::cpu {

/// The bordered inputs of `count` images from `first`: kept ones, or made anew from the activations
/// before, which is cheaper than to keep them.
const float* Training::stage_input(size_t stage, int64_t first, int64_t count,
                                   Scratch& scratch) const {
  const Grid& grid = plan_.stages[stage].in;
  if (stage == 0) return first_in_.get() + first * grid.size();
  if (stage == plan_.encoder_stages) return hidden_.get() + first * grid.size();
  const Pixels pixels = inside_of(grid, plan_.stages[stage - 1].out_vectors);
  for (int64_t i = 0; i < count; ++i) {
    kernels_.affine(pixels, activation(stage - 1, first + i), scale(stage - 1), shift(stage - 1),
                    scratch.in[stage].get() + i * grid.size() + grid.origin());
  }
  return scratch.in[stage].get();
}

const float* Training::stage_matrices(size_t index, Direction direction, Scratch& scratch) const {
  const std::pair of(index, direction);
  if (scratch.matrices_of != of) {
    const Stage& stage = plan_.stages[index];
    const float* const taps = direction == Direction::forward
                                  ? parameters_->weights.get() + stage.kernel
                                  : stage_turned(index, scratch);
    winograd_weights(kernels_, stage, direction, taps, scratch.matrices.get());
    scratch.matrices_of = of;
  }
  return scratch.matrices.get();
}

const float* Training::stage_turned(size_t index, Scratch& scratch) const {
  if (scratch.turned_of != index) {
    turn_weights(plan_, kernels_, plan_.stages[index], parameters_->weights.get(),
                 scratch.turned.get());
    scratch.turned_of = index;
  }
  return scratch.turned.get() + plan_.stages[index].turned;
}

void Training::add_sums(StageState& state, int64_t block, int64_t channels,
                        const Scratch& scratch) const {
  double* sums = state.sums.data() + block * 2 * channels;
  for (int64_t c = 0; c < 2 * channels; ++c) sums[c] += scratch.sums[static_cast<size_t>(c)];
}

void Training::forward_stage(size_t index, const Block& block, int thread) {
  const Stage& stage = plan_.stages[index];
  StageState& state = stages_[index];
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  const int64_t channels = stage.out.channels;
  std::fill_n(state.sums.data() + block.index * 2 * channels, 2 * channels, 0.0);

  if (index == 0) {
    const int64_t size = plan_.architecture.image().size();
    for (int64_t i = block.begin; i < block.end; ++i) {
      float* pixels = pixels_.get() + i * size;
      to_float(images_->images, (*images_)[static_cast<size_t>(i)], pixels);
      copy_inside(pixels, stage.in, first_in_.get() + i * stage.in.size());
    }
  }
  for (int64_t first = block.begin; first < block.end; first += stage.group) {
    const int64_t count = std::min(stage.group, block.end - first);
    ConvOperands operands;
    operands.in = stage_input(index, first, count, scratch);
    operands.in_image = stage.in.size();
    operands.out = state.memory.get() + first * state.image_size;
    operands.out_image = state.image_size;
    operands.images = count;
    operands.in_channels = stage.in_channels;
    operands.out_vectors = stage.out_vectors;
    operands.weights = parameters_->weights.get() + stage.kernel;
    operands.block_inputs = 9 * stage.in_channels;
    operands.bias = parameters_->weights.get() + stage.bias;
    operands.slope = kLeakyReluSlope;
    if (stage.winograd) {
      operands.weights = stage_matrices(index, Direction::forward, scratch);
      operands.block_inputs = winograd_inputs(stage.in_channels);
      winograd_conv(kernels_, stage.kind, stage.in, stage.out, operands, scratch.winograd);
    } else {
      for (const ConvPass& pass : stage.forward) kernels_.conv(pass, operands);
    }
    for (int64_t i = 0; i < count; ++i) {
      kernels_.channel_sums(activation(index, first + i), stage.out.pixels(), stage.out_vectors,
                            scratch.sums.data(), scratch.sums.data() + channels);
      add_sums(state, block.index, channels, scratch);
    }
  }
}

void Training::finish_forward(size_t index) {
  const Stage& stage = plan_.stages[index];
  StageState& state = stages_[index];
  const float* weights = parameters_->weights.get();
  float* moving = parameters_->moving.get() + stage.moving;
  const int64_t channels = stage.out.channels;
  const auto count = static_cast<double>(n_ * stage.out.pixels());
  const auto move = [](float& average, double value) {
    const double old = static_cast<double>(average);
    average =
        static_cast<float>(old + (value - old) * (1 - static_cast<double>(kBatchNormMomentum)));
  };
  for (int64_t c = 0; c < stage.out_channels; ++c) {
    double sum = 0, squares = 0;
    for (int64_t block = 0; block < blocks_; ++block) {
      sum += state.sums[static_cast<size_t>(block * 2 * channels + c)];
      squares += state.sums[static_cast<size_t>((block * 2 + 1) * channels + c)];
    }
    const double mean = sum / count;
    const double variance = std::max(0.0, squares / count - mean * mean);
    const double inverse = 1 / std::sqrt(variance + static_cast<double>(kBatchNormEpsilon));
    const double scale = static_cast<double>(weights[stage.gamma + c]) * inverse;
    state.mean.get()[c] = static_cast<float>(mean);
    state.inverse_deviation.get()[c] = static_cast<float>(inverse);
    state.scale.get()[c] = static_cast<float>(scale);
    state.shift.get()[c] =
        static_cast<float>(static_cast<double>(weights[stage.beta + c]) - mean * scale);
    move(moving[c], mean);
    move(moving[channels + c], variance);
  }
}

void Training::middle(const Block& block, int thread) {
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  const size_t deepest = plan_.encoder_stages - 1;
  const float* weights = parameters_->weights.get();
  const Pixels pixels = inside_of(plan_.encoded, plan_.stages[deepest].out_vectors);
  for (int64_t i = block.begin; i < block.end; ++i) {
    kernels_.affine(pixels, activation(deepest, i), scale(deepest), shift(deepest),
                    features_.get() + i * plan_.features);
  }
  const int64_t count = block.end - block.begin;
  float* latent = latent_.get() + block.begin * plan_.latent();
  const Grid& hidden = plan_.stages[plan_.encoder_stages].in;
  project(plan_, kernels_, features_.get() + block.begin * plan_.features, count,
          weights + plan_.dense1, weights + plan_.dense1_bias, scratch.projection.get(), latent);
  expand(plan_, kernels_, latent, count, weights + plan_.dense2, weights + plan_.dense2_bias,
         hidden, hidden_.get() + block.begin * hidden.size());
}

}  // namespace oddity::cpu
