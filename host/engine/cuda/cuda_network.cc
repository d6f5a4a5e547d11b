#include "engine/cuda/cuda_network.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "core/error.h"
#include "engine/cuda/trace.h"

namespace oddity::cuda {
namespace {

// With fewer steps under way the next are launched, one or a graph of several: enough to keep the
// device busy, few enough for Ctrl-C.
constexpr size_t kStepsAhead = 8;
constexpr std::chrono::microseconds kPoll{50};

/// Adam's rate for the t-th step of all, from 1, with the bias correction in it.
float corrected_rate(double learning_rate, int64_t t) {
  const auto power = static_cast<double>(t);
  return static_cast<float>(learning_rate * std::sqrt(1 - std::pow(0.999, power)) /
                            (1 - std::pow(0.9, power)));
}

template <typename Buffer>
void make_room(Buffer& buffer, int64_t size, const char* purpose) {
  if (buffer.size() < size) buffer = Buffer(size, purpose);
}

}  // namespace

CudaNetwork::CudaNetwork(std::shared_ptr<const Device> device, const CudaEngineOptions& options,
                         const Architecture& architecture, const Weights& weights,
                         const std::optional<OptimizerState>& optimizer)
    : Network(architecture),
      device_(std::move(device)),
      options_(options),
      plan_(architecture),
      state_(plan_) {
  const cudaStream_t stream = device_->stream();
  std::vector<float> parameters(static_cast<size_t>(plan_.parameters));
  std::vector<float> moving(static_cast<size_t>(plan_.moving));
  pack(plan_, weights, parameters, moving);
  state_.parameters.upload(parameters, stream);
  state_.moving.upload(moving, stream);
  state_.first_moment.clear(stream);
  state_.second_moment.clear(stream);
  std::vector<float> first(optimizer ? parameters.size() : 0);
  std::vector<float> second(first.size());
  if (optimizer) {
    steps_ = optimizer->step;
    pack(plan_, optimizer->first, first, {});
    pack(plan_, optimizer->second, second, {});
    state_.first_moment.upload(first, stream);
    state_.second_moment.upload(second, stream);
  }
  device_->synchronize();
}

const CudaImages& CudaNetwork::own(const Images& images) const {
  const auto* const uploaded = dynamic_cast<const CudaImages*>(&images);
  if (uploaded == nullptr || uploaded->device() != device_) {
    throw Error("the images were uploaded to another engine than that of the network");
  }
  return *uploaded;
}

void CudaNetwork::plan_step(std::unique_ptr<TrainingStep>& kept, int64_t images) {
  if (kept != nullptr && kept->images() == images) return;
  kept.reset();  // its memory first
  kept = make_training_step(plan_, device_->planner(), state_, images, device_->stream());
}

EpochStats CudaNetwork::do_train_epoch(const Images& images, std::span<const uint32_t> order,
                                       size_t batch_size, std::span<const double> learning_rates,
                                       Progress& progress, double trim) {
  device_->make_current();
  const TraceRange range("epoch");
  const cudaStream_t stream = device_->stream();
  const auto steps = static_cast<int64_t>(learning_rates.size());
  make_room(positions_, std::ssize(order), "the order of the images");
  make_room(rates_, steps, "the learning rates");
  make_room(epoch_state_, 1, "the state of an epoch");
  if (losses_.size() < steps) losses_ = MappedBuffer<double>(steps);
  if (steps_done_.size() == 0) steps_done_ = MappedBuffer<uint64_t>(1);

  // Both steps before the first: what does not fit must not show at the end of an epoch.
  const int64_t batch = static_cast<int64_t>(std::min(batch_size, order.size()));
  fused_scorer_.reset();
  plan_step(full_step_, batch);
  const int64_t rest = std::ssize(order) % batch;
  if (rest > 0) plan_step(last_step_, rest);

  std::vector<float> rates;
  for (const double rate : learning_rates) {
    rates.push_back(corrected_rate(rate, steps_ + std::ssize(rates) + 1));
  }
  positions_.upload(order, stream);
  rates_.upload(rates, stream);
  epoch_state_.clear(stream);
  device_->synchronize();
  std::atomic_ref(*steps_done_.host()).store(0);

  const EpochInput input{.images = source_of(images),
                         .positions = positions_.data(),
                         .rates = rates_.data(),
                         .state = epoch_state_.data(),
                         .progress = {losses_.device(), steps_done_.device()},
                         .batch = batch,
                         .trim = trim,
                         .variations = trim > 0 ? own(images).variations(stream) : nullptr};
  return {run_steps(input, order.size(), progress) / static_cast<double>(order.size())};
}

double CudaNetwork::run_steps(const EpochInput& input, size_t images, Progress& progress) {
  const cudaStream_t stream = device_->stream();
  const auto batch = static_cast<size_t>(input.batch);
  const size_t steps = (images + batch - 1) / batch;
  const std::atomic_ref steps_done(*steps_done_.host());
  const size_t full_steps = images / batch;
  size_t launched = 0;
  size_t reported = 0;
  double sum = 0;
  const auto launch_next = [&] {
    const bool full = launched < full_steps;
    TrainingStep& step = full ? *full_step_ : *last_step_;
    const TraceRange range("step");
    if (options_.graphs) {
      const size_t left = full ? full_steps - launched : 1;
      launched += static_cast<size_t>(step.launch(stream, input, static_cast<int64_t>(left)));
    } else {
      step.enqueue(stream, input);
      ++launched;
    }
  };
  try {
    while (reported < steps) {
      while (launched < std::min(steps, reported + kStepsAhead)) launch_next();
      const cudaError_t state = cudaStreamQuery(stream);
      if (state == cudaErrorNotReady) {
        cudaGetLastError();  // it is no error, but kept as one
      } else {
        check(state);
      }
      const size_t done = steps_done.load(std::memory_order_acquire);
      if (done == reported) {
        if (state == cudaSuccess) {
          throw DeviceError("the device stopped after step {} of {}", done, steps);
        }
        std::this_thread::sleep_for(kPoll);
      }
      for (; reported < done; ++reported) {
        sum += losses_.host()[reported];
        const size_t end = std::min(images, (reported + 1) * batch);
        progress.update(end, images, sum / static_cast<double>(end));
      }
    }
    device_->synchronize();
  } catch (...) {
    // What was launched is done all the same, and counts.
    cudaStreamSynchronize(stream);
    steps_ += static_cast<int64_t>(launched);
    throw;
  }
  steps_ += static_cast<int64_t>(launched);
  return sum;
}

Inference& CudaNetwork::inference() {
  if (inference_ == nullptr) {
    inference_ = make_inference(plan_, device_->planner(), device_->stream(), options_.max_batch);
  }
  inference_->load(state_);
  return *inference_;
}

template <typename Work>
void CudaNetwork::for_blocks(int64_t n, Progress& progress, Work&& work) {
  device_->make_current();
  Inference& engine = inference();
  const int64_t block = engine.block_images();
  for (int64_t first = 0; first < n; first += block) {
    const int64_t count = std::min(block, n - first);
    work(engine, first, count);
    device_->synchronize();
    progress.update(static_cast<size_t>(first + count), static_cast<size_t>(n), 0);
  }
}

double CudaNetwork::do_evaluate(const Images& images, std::span<const uint32_t> positions) {
  device_->make_current();
  const TraceRange range("evaluate");
  const cudaStream_t stream = device_->stream();
  DeviceBuffer<uint32_t> on_device(std::ssize(positions), "the positions to evaluate");
  DeviceBuffer<float> errors(std::ssize(positions), "the errors to evaluate");
  on_device.upload(positions, stream);
  NoProgress silent;
  for_blocks(std::ssize(positions), silent, [&](Inference& engine, int64_t first, int64_t count) {
    engine.take_images(source_of(images), on_device.data(), first, count);
    engine.score(count, errors.data() + first);
  });
  std::vector<float> each(positions.size());
  errors.download(each, stream);
  device_->synchronize();
  double sum = 0;
  for (const float error : each) sum += static_cast<double>(error);
  return sum / static_cast<double>(each.size());
}

FusedScorer& CudaNetwork::fused_scorer() {
  if (fused_scorer_ == nullptr) {
    fused_scorer_ =
        std::make_unique<FusedScorer>(device_, architecture(), do_weights(), options_.scores);
  }
  return *fused_scorer_;
}

std::unique_ptr<Scores> CudaNetwork::do_score(const Images& images, Range range, Progress& progress,
                                              const ExactScores& exact) {
  device_->make_current();
  const TraceRange trace("score");
  auto scores = std::make_unique<CudaScores>(device_, range.size());
  const auto begin = static_cast<int64_t>(range.begin);
  const PixelSource source = source_of(images);
  const bool robust = rule_.kind == ScoreKind::robust;
  if (!robust && takes_fused_scorer(architecture(), source.type, options_.scores)) {
    fused_scorer().score(static_cast<const uint8_t*>(source.pixels), begin, exact, *scores,
                         progress);
    return scores;
  }
  for_blocks(static_cast<int64_t>(range.size()), progress,
             [&](Inference& engine, int64_t first, int64_t count) {
               engine.take_images(source, nullptr, begin + first, count);
               float* const errors = scores->data() + first;
               if (robust) {
                 engine.robust_score(count, static_cast<float>(rule_.variation_floor), errors);
               } else {
                 engine.score(count, errors);
               }
             });
  return scores;
}

template <typename Compute>
void CudaNetwork::compute_each(const Images& images, Range range, int64_t size,
                               std::span<float> out, Compute&& compute) {
  const auto begin = static_cast<int64_t>(range.begin);
  NoProgress silent;
  for_blocks(static_cast<int64_t>(range.size()), silent,
             [&](Inference& engine, int64_t first, int64_t count) {
               engine.take_images(source_of(images), nullptr, begin + first, count);
               copy_to_host(compute(engine, count), out, first * size, count * size);
             });
}

void CudaNetwork::do_encode(const Images& images, Range range, std::span<float> out) {
  compute_each(images, range, plan_.latent, out,
               [](Inference& engine, int64_t count) { return engine.encode(count); });
}

void CudaNetwork::do_decode(std::span<const float> latent, std::span<float> out) {
  const int64_t n = std::ssize(latent) / plan_.latent;
  NoProgress silent;
  for_blocks(n, silent, [&](Inference& engine, int64_t first, int64_t count) {
    check(cudaMemcpyAsync(engine.latent(), latent.data() + first * plan_.latent,
                          static_cast<size_t>(count * plan_.latent) * sizeof(float),
                          cudaMemcpyHostToDevice, device_->stream()));
    copy_to_host(engine.decode(count), out, first * plan_.image, count * plan_.image);
  });
}

void CudaNetwork::do_reconstruct(const Images& images, Range range, std::span<float> out) {
  compute_each(images, range, plan_.image, out, [](Inference& engine, int64_t count) {
    engine.encode(count);
    return engine.decode(count);
  });
}

void CudaNetwork::do_pixel_errors(const Images& images, Range range, std::span<float> out) {
  compute_each(images, range, plan_.image, out, [](Inference& engine, int64_t count) {
    engine.encode(count);
    return engine.pixel_errors(count);
  });
}

void CudaNetwork::copy_to_host(const float* from, std::span<float> out, int64_t offset,
                               int64_t count) const {
  check(cudaMemcpyAsync(out.data() + offset, from, static_cast<size_t>(count) * sizeof(float),
                        cudaMemcpyDeviceToHost, device_->stream()));
}

Weights CudaNetwork::download(const DeviceBuffer<float>& buffer, bool with_moving) const {
  device_->make_current();
  std::vector<float> parameters(static_cast<size_t>(plan_.parameters));
  std::vector<float> moving(with_moving ? static_cast<size_t>(plan_.moving) : 0);
  buffer.download(parameters, device_->stream());
  state_.moving.download(moving, device_->stream());
  device_->synchronize();
  Weights weights(architecture());
  unpack(plan_, parameters, moving, weights);
  return weights;
}

Weights CudaNetwork::do_weights() const { return download(state_.parameters, true); }

OptimizerState CudaNetwork::do_optimizer() const {
  return {download(state_.first_moment, false), download(state_.second_moment, false), steps_};
}

}  // namespace oddity::cuda
