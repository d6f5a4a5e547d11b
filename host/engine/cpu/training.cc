#include "engine/cpu/training.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/cpu/dense.h"
#include "engine/trim.h"

namespace oddity::cpu {

Training::Training(const Plan& plan, const Kernels& kernels, ThreadPool& pool, int64_t max_batch)
    : plan_(plan), kernels_(kernels), pool_(pool), scratch_(pool.threads()) {
  for (const Stage& stage : plan.stages) {
    StageState state;
    state.image_size = std::max(stage.out.size(), stage.in.pixels() * stage.in.channels);
    state.memory = Buffer(max_batch * state.image_size);
    state.sums.resize(static_cast<size_t>(kMaxBlocks * 2 * stage.out.channels));
    for (Buffer* buffer : {&state.mean, &state.inverse_deviation, &state.scale, &state.shift,
                           &state.k1, &state.k2, &state.k3}) {
      *buffer = Buffer(stage.out.channels);
    }
    stages_.push_back(std::move(state));
  }
  int64_t channels = 0, matrices = 0;
  for (const Stage& stage : plan.stages) {
    channels = std::max(channels, stage.out.channels);
    for (const Direction direction : {Direction::forward, Direction::back}) {
      if (!stage.winograd) continue;
      matrices = std::max(matrices, winograd_matrices(kernels, stage, direction));
    }
  }
  for (Scratch& scratch : scratch_) {
    for (size_t i = 0; i < plan.stages.size(); ++i) {
      const bool own_input = i != 0 && i != plan.encoder_stages;
      scratch.in.emplace_back(own_input ? plan.group * plan.stages[i].in.size() : 0);
      scratch.delta.emplace_back(plan.group * plan.stages[i].delta.size());
    }
    // With a row above and below; the last convolution reads three pixels behind (kernels.h).
    scratch.last_in = Buffer((plan.band + 2) * plan.last_in.row() + 3 * plan.last_in.channels);
    scratch.last_gradient = Buffer(plan.band * plan.stages.back().out.row());
    const int64_t inputs = 9 * plan.architecture.depth;
    scratch.window = Buffer(inputs * plan.last_in.channels);
    scratch.window_sums.resize(static_cast<size_t>(inputs));
    scratch.window_products.resize(static_cast<size_t>(inputs * plan.last_in.channels));
    scratch.projection = Buffer(project_scratch(plan, max_batch));
    scratch.winograd = WinogradScratch(plan);
    scratch.matrices = Buffer(matrices);
    scratch.turned = Buffer(plan.turned);
    scratch.dense_gradient = Buffer(std::max(plan.pixel_weights(), plan.latent()));
    scratch.sums.resize(static_cast<size_t>(2 * channels));
  }
  pixels_ = Buffer(max_batch * plan.architecture.image().size());
  first_in_ = Buffer(max_batch * plan.stages[0].in.size());
  features_ = Buffer(max_batch * plan.features);
  latent_ = Buffer(max_batch * plan.latent());
  hidden_ = Buffer(max_batch * plan.stages[plan.encoder_stages].in.size());
  latent_gradient_ = Buffer(max_batch * plan.latent());
  feature_gradient_ = Buffer(max_batch * plan.features);
  encoded_gradient_ = Buffer(max_batch * plan.features);
  logits_ = Buffer(max_batch * plan.architecture.image().size());
  last_delta_ = Buffer(max_batch * plan.last_delta.size());
  gradients_ = Buffer(kMaxBlocks * plan.partial);
  losses_.resize(static_cast<size_t>(max_batch));
  shares_.resize(static_cast<size_t>(max_batch));
}

void Training::for_blocks(const std::function<void(const Block&, int)>& work) {
  // Up and down by turns: each part begins with the images that the one before it ended with.
  downwards_ = !downwards_;
  pool_.parallel_for(
      static_cast<size_t>(blocks_),
      [&](size_t task, int thread) {
        const auto index = static_cast<int64_t>(task);
        const int64_t begin = index * block_images_;
        work({begin, std::min(n_, begin + block_images_), index}, thread);
      },
      downwards_ ? ThreadPool::Order::downwards : ThreadPool::Order::upwards);
}

void Training::forward(const Selection& images, int64_t n, Parameters& parameters) {
  images_ = &images;
  parameters_ = &parameters;
  n_ = n;
  block_images_ = (n + kMaxBlocks - 1) / kMaxBlocks;
  block_images_ = (block_images_ + plan_.group - 1) / plan_.group * plan_.group;
  blocks_ = (n + block_images_ - 1) / block_images_;

  for (Scratch& scratch : scratch_) {
    scratch.matrices_of.reset();
    scratch.turned_of.reset();
  }
  for (size_t stage = 0; stage < plan_.stages.size(); ++stage) {
    for_blocks([&](const Block& block, int thread) {
      if (stage == plan_.encoder_stages) middle(block, thread);
      forward_stage(stage, block, thread);
    });
    finish_forward(stage);
  }
}

void Training::backward() {
  for_blocks([this](const Block& block, int thread) { last(block, thread); });
  for (size_t stage = plan_.stages.size(); stage-- > 0;) {
    finish_backward(stage);
    for_blocks([&](const Block& block, int thread) {
      backward_stage(stage, block, thread);
      if (stage == plan_.encoder_stages) middle_backward(block, thread);
    });
  }
}

void Training::trim(const Trimming& trimming) {
  const int64_t size = plan_.architecture.image().size();
  for_blocks([&](const Block& block, int thread) {
    for (int64_t i = block.begin; i < block.end; ++i) {
      last_logits(i, scratch_[static_cast<size_t>(thread)]);
      losses_[static_cast<size_t>(i)] = kernels_.reconstruction_error(
          logits_.get() + i * size, pixels_.get() + i * size, size, nullptr);
    }
  });
  std::vector<size_t> order(static_cast<size_t>(n_));
  std::iota(order.begin(), order.end(), size_t{0});
  const auto odd = [&](size_t i) {
    const float loss = losses_[i];  // what is no number is as odd as can be
    return std::isnan(loss) ? HUGE_VALF : loss / trimming.variations[(*images_)[i]];
  };
  // A stable order, the same on every machine: of equal ones the earlier goes.
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return odd(a) > odd(b); });
  const int64_t left_out = images_left_out(trimming.share, n_);
  std::fill_n(shares_.begin(), n_, 1.0f / static_cast<float>(n_ - left_out));
  for (int64_t k = 0; k < left_out; ++k) shares_[order[static_cast<size_t>(k)]] = 0;
}

double Training::step(const Selection& images, int64_t n, double learning_rate,
                      const Trimming& trimming, Parameters& parameters) {
  forward(images, n, parameters);
  std::fill_n(shares_.begin(), n_, 1.0f / static_cast<float>(n_));
  trimmed_ = trimming.share > 0;
  if (trimmed_) trim(trimming);
  backward();
  update(learning_rate);

  double loss = 0;
  for (int64_t i = 0; i < n; ++i) loss += static_cast<double>(losses_[static_cast<size_t>(i)]);
  return loss;
}

/// Adds up a range of some blocks' partial gradients, in the first of them.
void Training::add_up(int64_t first_block, int64_t end_block, int64_t range) {
  const int64_t begin = range * kUpdateNumbers;
  const int64_t count = std::min(kUpdateNumbers, plan_.partial - begin);
  const int64_t others = end_block - first_block - 1;
  if (others < 1) return;
  kernels_.add_rows(part_gradient(first_block + 1) + begin, others, plan_.partial,
                    count / plan_.lanes, part_gradient(first_block) + begin);
}

/// Of n parameters from `first` on.
void Training::adam(int64_t first, int64_t n, const float* gradient, int64_t parts,
                    int64_t part_stride, float step_size) {
  Parameters& p = *parameters_;
  kernels_.adam(p.weights.get() + first, p.first_moment.get() + first,
                p.second_moment.get() + first, gradient, n, parts, part_stride, step_size);
}

/// Of a pixel's share of the dense layers, whose gradients sum over the whole batch.
void Training::update_dense(int64_t pixel, float step_size, Scratch& scratch) {
  const int64_t channels = plan_.encoded.channels, numbers = plan_.pixel_weights();
  float* const gradient = scratch.dense_gradient.get();
  const auto weights = [&](int64_t layer, const Buffer& latent, const Buffer& features) {
    dense_gradient(plan_, kernels_, latent.get(), features.get(), n_, pixel, gradient);
    adam(layer + pixel * numbers, numbers, gradient, 1, 0, step_size);
  };
  const auto bias = [&](int64_t first, const float* gradients, int64_t stride, int64_t count) {
    std::fill_n(gradient, count, 0.0f);
    kernels_.add_rows(gradients, n_, stride, count / plan_.lanes, gradient);
    adam(first, count, gradient, 1, 0, step_size);
  };
  weights(plan_.dense1, latent_gradient_, features_);
  weights(plan_.dense2, latent_, feature_gradient_);
  bias(plan_.dense2_bias + pixel * channels, feature_gradient_.get() + pixel * channels,
       plan_.features, channels);
  if (pixel == 0) bias(plan_.dense1_bias, latent_gradient_.get(), plan_.latent(), plan_.latent());
}

void Training::update(double learning_rate) {
  const auto t = static_cast<double>(++parameters_->step);
  // Kingma and Ba 2015, section 2, the efficient form; epsilon stays outside the correction, as in
  // Keras.
  const auto step_size = static_cast<float>(learning_rate * std::sqrt(1 - std::pow(0.999, t)) /
                                            (1 - std::pow(0.9, t)));
  // On two threads each has made a half of the partial gradients and adds it up, so that nothing
  // goes from core to core but the two sums; and each has its pixels, the same at each step.
  const int64_t half = (blocks_ + 1) / 2;
  const int64_t ranges = (plan_.partial + kUpdateNumbers - 1) / kUpdateNumbers;
  const int64_t pixels = plan_.encoded.pixels();
  const int64_t side = ranges + (pixels + 1) / 2;
  pool_.parallel_for(static_cast<size_t>(2 * ranges + pixels), [&](size_t task, int thread) {
    const auto index = static_cast<int64_t>(task);
    const bool second = index >= side;
    const int64_t within = second ? index - side : index;
    if (within < ranges) {
      add_up(second ? half : 0, second ? blocks_ : half, within);
    } else {
      update_dense(within - ranges + (second ? side - ranges : 0), step_size,
                   scratch_[static_cast<size_t>(thread)]);
    }
  });
  pool_.parallel_for(static_cast<size_t>(ranges), [&](size_t task, int) {
    const int64_t begin = static_cast<int64_t>(task) * kUpdateNumbers;
    adam(begin, std::min(kUpdateNumbers, plan_.partial - begin), part_gradient(0) + begin,
         blocks_ > half ? 2 : 1, half * plan_.partial, step_size);
  });
}

}  // namespace oddity::cpu
