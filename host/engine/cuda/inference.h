// Inference: pixels to latent vectors, reconstructions and scores, many images at once.
#pragma once

#include <memory>
#include <string>

#include "engine/cuda/pass.h"

namespace oddity::cuda {

/// Images that inference computes at once: at most `max_images`; less where their activations, two
/// maps and `others` more numbers of each, would take over a gibibyte.
int64_t images_a_block(const Plan& plan, int64_t max_images, int64_t others);

/// Runs on one stream; the weights are those of the last load().
class Inference {
 public:
  virtual ~Inference() = default;
  Inference(const Inference&) = delete;
  Inference& operator=(const Inference&) = delete;

  /// Images that one call takes at most.
  int64_t block_images() const { return block_images_; }

  /// Folds the batch normalisation of `state`, whose parameters are read from then on.
  virtual void load(const NetworkState& state) = 0;

  // Each enqueues the work for `count` ≤ block_images() images. Results are device pointers that
  // stay valid until the next call.
  /// Those that the other calls mean: positions first … of a set, or, with `positions` in device
  /// memory, positions[first] …. They are read until other ones are taken.
  virtual void take_images(const PixelSource& images, const uint32_t* positions, int64_t first,
                           int64_t count) = 0;
  /// Of the images taken: latent vectors [count, latent].
  virtual float* encode(int64_t count) = 0;
  /// Where latent vectors to decode() belong [count, latent]; encode() leaves them there.
  float* latent() const { return latent_.data(); }
  /// Reconstructions [count, image] in [0,1] of the latent vectors.
  virtual float* decode(int64_t count) = 0;
  /// (x − reconstruction)² [count, image] of the images taken and the latent vectors.
  virtual float* pixel_errors(int64_t count) = 0;
  /// Scores of the images taken, to `errors` [count] in device memory.
  virtual void score(int64_t count, float* errors) = 0;
  /// The same by ScoreKind::robust.
  void robust_score(int64_t count, float variation_floor, float* errors);

 protected:
  /// For images_a_block.
  Inference(const Plan& plan, cudaStream_t stream, int64_t max_images, int64_t others);

  /// The images taken, as kernels read them.
  virtual kernels::PixelBatch taken() const = 0;

  const Plan& plan() const { return plan_; }
  cudaStream_t stream() const { return stream_; }
  /// Of the state loaded, the parameters from `offset` on.
  float* weight(int64_t offset) const { return state_->parameters.data() + offset; }
  void keep(const NetworkState& state) { state_ = &state; }
  /// Folds a stage's batch normalisation to scale and shift.
  void fold(const Stage& stage, float* scale, float* shift) const;
  /// That of the two maps that is not x.
  float* other_map(const float* x) const { return maps_[x == maps_[0].data() ? 1 : 0].data(); }

 private:
  const Plan& plan_;
  cudaStream_t stream_;
  int64_t block_images_;
  const NetworkState* state_ = nullptr;
  DeviceBuffer<float> latent_;
  DeviceBuffer<float> maps_[2];
};

/// Fused (fused_inference.h) where the planner fuses and FusedStep::fits the network, as in
/// training; else of the planner's operations (layered_inference.h).
std::unique_ptr<Inference> make_inference(const Plan& plan, Planner& planner, cudaStream_t stream,
                                          int64_t max_images);

/// How scores are computed by such a planner, in one kernel (fused_scorer.h) or by inference:
/// DeviceInfo::scoring.
std::string scoring_rule(const Planner& planner);

}  // namespace oddity::cuda
