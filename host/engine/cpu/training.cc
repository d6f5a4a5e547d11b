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
  turned_ = Buffer(plan.turned);
  gradients_ = Buffer((kMaxBlocks - 1) * plan.partial + plan.parameters);
  losses_.resize(static_cast<size_t>(max_batch));
  shares_.resize(static_cast<size_t>(max_batch));
}

void Training::for_blocks(size_t extra_tasks, const std::function<void(const Block&, int)>& work,
                          const std::function<void(size_t)>& extra) {
  const auto blocks = static_cast<size_t>(blocks_);
  // Up and down by turns: each part begins with the images that the one before it ended with.
  downwards_ = !downwards_;
  pool_.parallel_for(
      blocks + extra_tasks,
      [&](size_t task, int thread) {
        if (task >= blocks) {
          extra(task - blocks);
          return;
        }
        const auto index = static_cast<int64_t>(task);
        const int64_t begin = index * block_images_;
        work({begin, std::min(n_, begin + block_images_), index}, thread);
      },
      downwards_ ? ThreadPool::Order::downwards : ThreadPool::Order::upwards, blocks);
}

void Training::forward(const Selection& images, int64_t n, Parameters& parameters) {
  images_ = &images;
  parameters_ = &parameters;
  n_ = n;
  block_images_ = (n + kMaxBlocks - 1) / kMaxBlocks;
  block_images_ = (block_images_ + plan_.group - 1) / plan_.group * plan_.group;
  blocks_ = (n + block_images_ - 1) / block_images_;

  for (Scratch& scratch : scratch_) scratch.matrices_of.reset();

  // The turned weights are needed later, and fill idle threads here.
  for_blocks(
      turn_tasks(plan_),
      [this](const Block& block, int thread) { forward_stage(0, block, thread); },
      [&](size_t task) {
        turn_weights(plan_, kernels_, parameters.weights.get(), task, turned_.get());
      });
  finish_forward(0);
  for (size_t stage = 1; stage < plan_.stages.size(); ++stage) {
    const auto work = [&](const Block& block, int thread) {
      if (stage == plan_.encoder_stages) middle(block, thread);
      forward_stage(stage, block, thread);
    };
    for_blocks(0, work, nullptr);
    finish_forward(stage);
  }
}

void Training::backward() {
  for_blocks(
      0, [this](const Block& block, int thread) { last(block, thread); }, nullptr);
  // The dense layers' gradients sum over the whole batch, a pixel a task, one stage later.
  for (size_t stage = plan_.stages.size(); stage-- > 0;) {
    finish_backward(stage);
    const bool behind_dense = stage + 1 == plan_.encoder_stages;
    for_blocks(
        behind_dense ? static_cast<size_t>(plan_.encoded.pixels()) : 0,
        [&](const Block& block, int thread) {
          backward_stage(stage, block, thread);
          if (stage == plan_.encoder_stages) middle_backward(block, thread);
        },
        [this](size_t pixel) {
          dense_gradients(
              plan_, kernels_,
              {features_.get(), latent_.get(), latent_gradient_.get(), feature_gradient_.get(), n_},
              static_cast<int64_t>(pixel), dense_gradient());
        });
  }
}

void Training::trim(const Trimming& trimming) {
  const int64_t size = plan_.architecture.image().size();
  for_blocks(
      0,
      [&](const Block& block, int thread) {
        for (int64_t i = block.begin; i < block.end; ++i) {
          last_logits(i, scratch_[static_cast<size_t>(thread)]);
          losses_[static_cast<size_t>(i)] = kernels_.reconstruction_error(
              logits_.get() + i * size, pixels_.get() + i * size, size, nullptr);
        }
      },
      nullptr);
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

/// Adds up the partial gradients of each half of the blocks, in the half's first; returns how many
/// blocks are in a half.
int64_t Training::reduce() {
  // On two threads each has made one of the halves, and nothing goes from core to core but the two
  // sums: of all partial gradients half would.
  const int64_t half = (blocks_ + 1) / 2;
  const int64_t ranges = (plan_.partial + kUpdateNumbers - 1) / kUpdateNumbers;
  pool_.parallel_for(static_cast<size_t>(2 * ranges), [&](size_t task, int) {
    const int64_t first = static_cast<int64_t>(task) / ranges * half;
    const int64_t begin = static_cast<int64_t>(task) % ranges * kUpdateNumbers;
    const int64_t count = std::min(kUpdateNumbers, plan_.partial - begin);
    const int64_t others = std::min(half, blocks_ - first) - 1;
    if (others < 1) return;
    kernels_.add_rows(part_gradient(first + 1) + begin, others, plan_.partial, count / plan_.lanes,
                      part_gradient(first) + begin);
  });
  return half;
}

void Training::update(double learning_rate) {
  Parameters& p = *parameters_;
  const auto t = static_cast<double>(++p.step);
  // Kingma and Ba 2015, section 2, the efficient form; epsilon stays outside the correction, as in
  // Keras.
  const auto step_size = static_cast<float>(learning_rate * std::sqrt(1 - std::pow(0.999, t)) /
                                            (1 - std::pow(0.9, t)));
  const int64_t half = reduce();
  const int64_t halves = blocks_ > half ? 2 : 1;
  const auto tasks = static_cast<size_t>((plan_.parameters + kUpdateNumbers - 1) / kUpdateNumbers);
  pool_.parallel_for(tasks, [&](size_t task, int) {
    const int64_t begin = static_cast<int64_t>(task) * kUpdateNumbers;
    const int64_t end = std::min(plan_.parameters, begin + kUpdateNumbers);
    const auto run = [&](int64_t from, int64_t to, const float* gradient, int64_t parts) {
      if (from >= to) return;
      kernels_.adam(p.weights.get() + from, p.first_moment.get() + from,
                    p.second_moment.get() + from, gradient + from, to - from, parts,
                    half * plan_.partial, step_size);
    };
    run(begin, std::min(end, plan_.partial), part_gradient(0), halves);
    run(std::max(begin, plan_.partial), end, dense_gradient(), 1);
  });
}

}  // namespace oddity::cpu
