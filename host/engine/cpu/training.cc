#include "engine/cpu/training.h"

#include <algorithm>
#include <cmath>

#include "engine/cpu/dense.h"

namespace oddity::cpu {

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
    const auto work = [&](const Block& block, int thread) {
      if (stage == stages) {
        last(block, thread);  // the way back begins here
      } else {
        if (stage == plan_.encoder_stages) middle(block, thread);
        forward(stage, block, thread);
      }
    };
    for_blocks(0, work, nullptr);
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
