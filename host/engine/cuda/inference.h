// Inference: pixels to latent vectors, reconstructions and scores, many images at once.
#pragma once

#include <memory>
#include <vector>

#include "engine/cuda/pass.h"

namespace oddity::cuda {

/// Runs on one stream; the weights are those of the last load().
class Inference {
 public:
  /// For at most `max_images` at once; less where their activations would take over a gibibyte.
  Inference(const Plan& plan, Planner& planner, cudaStream_t stream, int64_t max_images);

  /// Images that one call takes at most.
  int64_t block_images() const { return block_images_; }

  /// Folds the batch normalisation of `state`, whose parameters are read from then on.
  void load(const NetworkState& state);

  // Each enqueues the work for `count` ≤ block_images() images. Results are device pointers that
  // stay valid until the next call.
  /// Positions first … of a set, or, with `positions` in device memory, positions[first] ….
  void load_images(const PixelSource& images, const uint32_t* positions, int64_t first,
                   int64_t count);
  /// Of the images loaded: latent vectors [count, latent].
  float* encode(int64_t count);
  /// Where latent vectors to decode() belong [count, latent]; encode() leaves them there.
  float* latent() const { return latent_.data(); }
  /// Reconstructions [count, image] in [0,1] of the latent vectors.
  float* decode(int64_t count);
  /// (x − reconstruction)² [count, image] of the images loaded and the latent vectors.
  float* pixel_errors(int64_t count);
  /// Scores of the images loaded, to `errors` [count] in device memory.
  void score(int64_t count, float* errors);
  /// The same by ScoreKind::robust.
  void robust_score(int64_t count, float variation_floor, float* errors);

 private:
  /// The operations planned for a number of images.
  struct Operations {
    int64_t images = 0;
    Workspace workspace;
    std::vector<Step> stages;
    Step dense1, dense2;
  };
  const Operations& operations(int64_t count);
  float* logits(int64_t count);
  /// A stage from `x` to the other of the two maps; returns it.
  float* run(size_t stage, const Operations& operations, int64_t count, float* x);
  int64_t planned(int64_t count) const { return fixed_ ? block_images_ : count; }

  const Plan& plan_;
  Planner& planner_;
  cudaStream_t stream_;
  bool fixed_;  // operations are always for block_images_
  int64_t block_images_;
  const NetworkState* state_ = nullptr;
  std::unique_ptr<Operations> full_;  // of whole blocks
  std::unique_ptr<Operations> part_;  // of the number of images that last filled none
  DeviceBuffer<float> folded_;
  DeviceBuffer<float> images_, latent_, errors_;
  DeviceBuffer<float> maps_[2];
};

}  // namespace oddity::cuda
