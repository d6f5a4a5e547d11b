#include "engine/cpu/training.h"

#include <algorithm>
#include <cmath>

#include "engine/cpu/dense.h"

namespace oddity::cpu {
namespace {

Pixels inside_of(const Grid& grid) { return {grid.height, grid.width, 0, grid.row()}; }

}  // namespace

Training::Training(const Plan& plan, const Kernels& kernels, ThreadPool& pool, int64_t max_batch)
    : plan_(plan), kernels_(kernels), pool_(pool), scratch_(pool.threads()) {
  for (const Stage& stage : plan.stages) {
    StageState state;
    state.activation = Buffer(max_batch * stage.out.size());
    state.gradient = Buffer(max_batch * stage.out.size());
    state.sums.resize(static_cast<size_t>(kMaxBlocks * 2 * stage.out.channels));
    for (Buffer* buffer : {&state.mean, &state.inverse_deviation, &state.scale, &state.shift,
                           &state.k1, &state.k2, &state.k3}) {
      *buffer = Buffer(stage.out.channels);
    }
    stages_.push_back(std::move(state));
  }
  int64_t channels = 0;
  for (const Stage& stage : plan.stages) channels = std::max(channels, stage.out.channels);
  for (Scratch& scratch : scratch_) {
    for (size_t i = 0; i < plan.stages.size(); ++i) {
      const bool own_input = i != 0 && i != plan.encoder_stages;
      scratch.in.emplace_back(own_input ? plan.group * plan.stages[i].in.size() : 0);
      scratch.delta.emplace_back(plan.group * plan.stages[i].delta.size());
    }
    scratch.last_in = Buffer(plan.last_in.size() + 3 * plan.last_in.channels);
    scratch.last_delta = Buffer(plan.last_delta.size());
    scratch.logits = Buffer(plan.architecture.image().size());
    scratch.projection = Buffer(project_scratch(plan, max_batch));
    scratch.sums.resize(static_cast<size_t>(2 * channels));
  }
  pixels_ = Buffer(max_batch * plan.architecture.image().size());
  first_in_ = Buffer(max_batch * plan.stages[0].in.size());
  features_ = Buffer(max_batch * plan.features);
  latent_ = Buffer(max_batch * plan.latent());
  hidden_ = Buffer(max_batch * plan.stages[plan.encoder_stages].in.size());
  latent_gradient_ = Buffer(max_batch * plan.latent());
  feature_gradient_ = Buffer(max_batch * plan.features);
  turned_ = Buffer(plan.turned);
  gradients_ = Buffer((kMaxBlocks - 1) * plan.partial + plan.parameters);
  losses_.resize(static_cast<size_t>(max_batch));
}

void Training::for_blocks(size_t extra_tasks, const std::function<void(const Block&, int)>& work,
                          const std::function<void(size_t)>& extra) {
  const auto blocks = static_cast<size_t>(blocks_);
  pool_.parallel_for(blocks + extra_tasks, [&](size_t task, int thread) {
    if (task >= blocks) {
      extra(task - blocks);
      return;
    }
    const int64_t begin = static_cast<int64_t>(task) * block_images_;
    work({begin, std::min(n_, begin + block_images_), static_cast<int64_t>(task)}, thread);
  });
}

double Training::step(const Selection& images, int64_t n, double learning_rate,
                      Parameters& parameters) {
  images_ = &images;
  parameters_ = &parameters;
  n_ = n;
  block_images_ = (n + kMaxBlocks - 1) / kMaxBlocks;
  block_images_ = (block_images_ + plan_.group - 1) / plan_.group * plan_.group;
  blocks_ = (n + block_images_ - 1) / block_images_;
  const size_t stages = plan_.stages.size();
  const auto block_only = [this](const std::function<void(const Block&, int)>& work) {
    for_blocks(0, work, nullptr);
  };

  // Forward. The turned weights are needed on the way back only, and fill idle threads here.
  for_blocks(
      turn_tasks(plan_) + 1, [this](const Block& block, int thread) { forward(0, block, thread); },
      [this](size_t task) {
        if (task < turn_tasks(plan_)) {
          turn_weights(plan_, parameters_->weights.get(), task, turned_.get());
        } else {
          std::fill_n(dense_gradient() + plan_.partial, plan_.parameters - plan_.partial, 0.0f);
        }
      });
  for (size_t stage = 1; stage <= stages; ++stage) {
    finish_forward(stage - 1);
    block_only([&](const Block& block, int thread) {
      if (stage == stages) {
        last(block, thread);  // the way back begins here
      } else {
        if (stage == plan_.encoder_stages) middle(block, thread);
        forward(stage, block, thread);
      }
    });
  }

  // Backward. The dense layers' gradients sum over the whole batch, a pixel a task, one stage
  // later.
  for (size_t stage = stages; stage-- > 0;) {
    finish_backward(stage);
    const bool behind_dense = stage + 1 == plan_.encoder_stages;
    for_blocks(
        behind_dense ? static_cast<size_t>(plan_.encoded.pixels()) : 0,
        [&](const Block& block, int thread) {
          backward(stage, block, thread);
          if (stage == plan_.encoder_stages) middle_backward(block, thread);
        },
        [this](size_t pixel) {
          dense_gradients(
              plan_, kernels_,
              {features_.get(), latent_.get(), latent_gradient_.get(), feature_gradient_.get(), n_},
              static_cast<int64_t>(pixel), dense_gradient());
        });
  }
  update(learning_rate);

  double loss = 0;
  for (int64_t i = 0; i < n; ++i) loss += static_cast<double>(losses_[static_cast<size_t>(i)]);
  return loss;
}

/// The bordered inputs of `count` images from `first`: kept ones, or made anew from the activations
/// before, which is cheaper than to keep them.
const float* Training::stage_input(size_t stage, int64_t first, int64_t count,
                                   Scratch& scratch) const {
  const Grid& grid = plan_.stages[stage].in;
  if (stage == 0) return first_in_.get() + first * grid.size();
  if (stage == plan_.encoder_stages) return hidden_.get() + first * grid.size();
  Pixels pixels = inside_of(grid);
  pixels.vectors = plan_.stages[stage - 1].out_vectors;
  for (int64_t i = 0; i < count; ++i) {
    kernels_.affine(pixels, activation(stage - 1, first + i), scale(stage - 1), shift(stage - 1),
                    scratch.in[stage].get() + i * grid.size() + grid.origin());
  }
  return scratch.in[stage].get();
}

void Training::add_sums(StageState& state, int64_t block, int64_t channels,
                        const Scratch& scratch) const {
  double* sums = state.sums.data() + block * 2 * channels;
  for (int64_t c = 0; c < 2 * channels; ++c) sums[c] += scratch.sums[static_cast<size_t>(c)];
}

void Training::forward(size_t index, const Block& block, int thread) {
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
  for (int64_t first = block.begin; first < block.end; first += plan_.group) {
    const int64_t count = std::min(plan_.group, block.end - first);
    ConvOperands operands;
    operands.in = stage_input(index, first, count, scratch);
    operands.in_image = stage.in.size();
    operands.out = state.activation.get() + first * stage.out.size();
    operands.out_image = stage.out.size();
    operands.images = count;
    operands.in_channels = stage.in_channels;
    operands.out_vectors = stage.out_vectors;
    operands.weights = parameters_->weights.get() + stage.kernel;
    operands.block_inputs = 9 * stage.in_channels;
    operands.bias = parameters_->weights.get() + stage.bias;
    operands.slope = kLeakyReluSlope;
    for (const ConvPass& pass : stage.forward) kernels_.conv(pass, operands);
    for (int64_t i = 0; i < count; ++i) {
      kernels_.channel_sums(operands.out + i * stage.out.size(), stage.out.pixels(),
                            stage.out_vectors, scratch.sums.data(), scratch.sums.data() + channels);
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
  Pixels pixels = inside_of(plan_.encoded);
  pixels.vectors = plan_.stages[deepest].out_vectors;
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

void Training::last(const Block& block, int thread) {
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  const size_t index = plan_.stages.size() - 1;
  const Stage& stage = plan_.stages[index];
  StageState& state = stages_[index];
  const float* weights = parameters_->weights.get();
  const int64_t depth = plan_.architecture.depth;
  const Grid& in = plan_.last_in;
  const Grid& delta = plan_.last_delta;
  Pixels pixels = inside_of(in);
  pixels.vectors = plan_.last_vectors;

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
  ConvOperands back;
  back.in = scratch.last_delta.get();
  back.in_channels = depth;
  back.out_vectors = plan_.last_vectors;
  back.weights = weights + plan_.last_kernel;
  back.block_inputs = 9 * depth;

  for (int64_t i = block.begin; i < block.end; ++i) {
    const float* image = pixels_.get() + i * plan_.architecture.image().size();
    kernels_.affine(pixels, activation(index, i), scale(index), shift(index),
                    scratch.last_in.get() + in.origin());
    kernels_.conv_to_pixels(pixels, scratch.last_in.get(), weights + plan_.last_kernel,
                            weights + plan_.last_bias, depth, scratch.logits.get());
    float* inside = scratch.last_delta.get() + delta.origin();
    losses_[static_cast<size_t>(i)] =
        kernels_.reconstruction_gradient(scratch.logits.get(), image, in.height, in.width * depth,
                                         1.0f / static_cast<float>(n_), inside, delta.row());

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
    kernels_.window_gradient(window, delta.row(), scratch.last_delta.get(), scratch.last_in.get(),
                             depth, plan_.last_vectors, gradient + plan_.last_kernel);
    back.out = state.gradient.get() + i * stage.out.size();
    kernels_.conv(plan_.last_data_gradient, back);
    kernels_.gradient_sums(back.out, activation(index, i), state.mean.get(), stage.out.pixels(),
                           stage.out_vectors, sums.data(), sums.data() + stage.out.channels);
    add_sums(state, block.index, stage.out.channels, scratch);
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

void Training::backward(size_t index, const Block& block, int thread) {
  const Stage& stage = plan_.stages[index];
  StageState& state = stages_[index];
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  float* gradient = part_gradient(block.index);
  std::fill_n(gradient + stage.kernel, stage.kernel_size, 0.0f);
  std::fill_n(gradient + stage.bias, stage.out.channels, 0.0f);
  // The stage before, whose batch normalisation this stage's data gradient reaches; the first
  // decoder stage reaches the dense layers instead.
  const bool reaches_norm = index > 0 && index != plan_.encoder_stages;
  if (reaches_norm) {
    const int64_t channels = plan_.stages[index - 1].out.channels;
    std::fill_n(stages_[index - 1].sums.data() + block.index * 2 * channels, 2 * channels, 0.0);
  }
  Pixels pixels = inside_of(stage.delta);
  pixels.vectors = stage.out_vectors;
  const int64_t delta_size = stage.delta.size();

  for (int64_t first = block.begin; first < block.end; first += plan_.group) {
    const int64_t count = std::min(plan_.group, block.end - first);
    const float* in = stage_input(index, first, count, scratch);
    float* delta = scratch.delta[index].get();
    for (int64_t i = 0; i < count; ++i) {
      kernels_.batch_norm_gradient(
          pixels, state.gradient.get() + (first + i) * stage.out.size(),
          activation(index, first + i),
          {state.mean.get(), state.k1.get(), state.k2.get(), state.k3.get()}, kLeakyReluSlope,
          delta + i * delta_size + stage.delta.origin(), gradient + stage.bias);
      if (index == 0) {
        kernels_.window_gradient(stage.weight_gradient, stage.in.row(), in + i * stage.in.size(),
                                 delta + i * delta_size, stage.in_channels, stage.out_vectors,
                                 gradient + stage.kernel);
      } else {
        kernels_.weight_gradient(stage.weight_gradient, in + i * stage.in.size(),
                                 delta + i * delta_size, stage.in_channels, stage.out_vectors,
                                 gradient + stage.kernel, 9 * stage.in_channels, 0);
      }
    }
    if (index == 0) continue;

    const int64_t out_size = stage.in.pixels() * stage.in.channels;
    ConvOperands back;
    back.in = delta;
    back.in_image = delta_size;
    back.out =
        (reaches_norm ? stages_[index - 1].gradient : feature_gradient_).get() + first * out_size;
    back.out_image = out_size;
    back.images = count;
    back.in_channels = stage.out_channels;
    back.out_vectors = stage.data_gradient_vectors;
    back.weights = turned_.get() + stage.turned;
    back.block_inputs = 9 * stage.out_channels;
    for (const ConvPass& pass : stage.data_gradient) kernels_.conv(pass, back);
    if (!reaches_norm) continue;
    const Stage& before = plan_.stages[index - 1];
    for (int64_t i = 0; i < count; ++i) {
      kernels_.gradient_sums(back.out + i * out_size, activation(index - 1, first + i),
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
  float* gradient = state.gradient.get() + block.begin * plan_.features;
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

void Training::update(double learning_rate) {
  constexpr int64_t kNumbers = 8192;  // a task
  Parameters& p = *parameters_;
  const auto t = static_cast<double>(++p.step);
  // Kingma and Ba 2015, section 2, the efficient form; epsilon stays outside the correction, as in
  // Keras.
  const auto step_size = static_cast<float>(learning_rate * std::sqrt(1 - std::pow(0.999, t)) /
                                            (1 - std::pow(0.9, t)));
  const auto tasks = static_cast<size_t>((plan_.parameters + kNumbers - 1) / kNumbers);
  pool_.parallel_for(tasks, [&](size_t task, int) {
    const int64_t begin = static_cast<int64_t>(task) * kNumbers;
    const int64_t end = std::min(plan_.parameters, begin + kNumbers);
    const auto run = [&](int64_t from, int64_t to, const float* gradient, int64_t parts) {
      if (from >= to) return;
      kernels_.adam(p.weights.get() + from, p.first_moment.get() + from,
                    p.second_moment.get() + from, gradient + from, to - from, parts, plan_.partial,
                    step_size);
    };
    run(begin, std::min(end, plan_.partial), part_gradient(0), blocks_);
    run(std::max(begin, plan_.partial), end, dense_gradient(), 1);
  });
}

}  // namespace oddity::cpu
