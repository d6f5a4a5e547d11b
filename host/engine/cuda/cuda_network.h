// A network on a CUDA device.
#pragma once

#include <memory>
#include <optional>

#include "engine/cuda/cuda_engine.h"
#include "engine/cuda/cuda_images.h"
#include "engine/cuda/fused_scorer.h"
#include "engine/cuda/inference.h"
#include "engine/cuda/training.h"

namespace oddity::cuda {

class CudaNetwork final : public Network {
 public:
  CudaNetwork(std::shared_ptr<const Device> device, const CudaEngineOptions& options,
              const Architecture& architecture, const Weights& weights,
              const std::optional<OptimizerState>& optimizer);

 private:
  EpochStats do_train_epoch(const Images& images, std::span<const uint32_t> order,
                            size_t batch_size, std::span<const double> learning_rates,
                            Progress& progress, double trim) override;
  void do_score_by(const ScoreRule& rule) override { rule_ = rule; }
  double do_evaluate(const Images& images, std::span<const uint32_t> positions) override;
  std::unique_ptr<Scores> do_score(const Images& images, Range range, Progress& progress,
                                   const ExactScores& exact) override;
  void do_encode(const Images& images, Range range, std::span<float> out) override;
  void do_decode(std::span<const float> latent, std::span<float> out) override;
  void do_reconstruct(const Images& images, Range range, std::span<float> out) override;
  void do_pixel_errors(const Images& images, Range range, std::span<float> out) override;
  Weights do_weights() const override;
  OptimizerState do_optimizer() const override;

  /// Throws Error for images of another engine.
  const CudaImages& own(const Images& images) const;
  PixelSource source_of(const Images& images) const {
    return own(images).source(device_->stream());
  }
  /// Makes `kept` the step for so many images.
  void plan_step(std::unique_ptr<TrainingStep>& kept, int64_t images);
  /// Enqueues step after step, a few ahead of what is done, and reports each that is. Returns the
  /// sum of the images' errors.
  double run_steps(const EpochInput& input, size_t images, Progress& progress);
  Inference& inference();
  /// With the present weights.
  FusedScorer& fused_scorer();
  /// To `out` what compute(inference, count) gives, in device memory: `size` numbers for each of
  /// the images that were taken just before.
  template <typename Compute>
  void compute_each(const Images& images, Range range, int64_t size, std::span<float> out,
                    Compute&& compute);
  /// work(inference, first, count) for blocks of [0, n).
  template <typename Work>
  void for_blocks(int64_t n, Progress& progress, Work&& work);
  /// Enqueues a copy of `count` floats to out[offset].
  void copy_to_host(const float* from, std::span<float> out, int64_t offset, int64_t count) const;
  Weights download(const DeviceBuffer<float>& parameters, bool with_moving) const;

  std::shared_ptr<const Device> device_;
  CudaEngineOptions options_;
  Plan plan_;
  NetworkState state_;
  int64_t steps_ = 0;  // of Adam
  ScoreRule rule_;

  // Made when first needed: scoring needs nothing of training.
  std::unique_ptr<Inference> inference_;
  std::unique_ptr<FusedScorer> fused_scorer_;  // none once the weights have changed
  std::unique_ptr<TrainingStep> full_step_, last_step_;
  DeviceBuffer<uint32_t> positions_;
  DeviceBuffer<float> rates_;
  DeviceBuffer<kernels::EpochState> epoch_state_;
  MappedBuffer<double> losses_;
  MappedBuffer<uint64_t> steps_done_;
};

}  // namespace oddity::cuda
