// Inference of planned operations, one after the other.
#pragma once

#include <memory>
#include <vector>

#include "engine/cuda/inference.h"

namespace oddity::cuda {

class LayeredInference final : public Inference {
 public:
  LayeredInference(const Plan& plan, Planner& planner, cudaStream_t stream, int64_t max_images);

  void load(const NetworkState& state) override;
  void take_images(const PixelSource& images, const uint32_t* positions, int64_t first,
                   int64_t count) override;
  float* encode(int64_t count) override;
  float* decode(int64_t count) override;
  float* pixel_errors(int64_t count) override;
  void score(int64_t count, float* errors) override;

 private:
  /// The operations planned for a number of images.
  struct Operations {
    int64_t images = 0;
    Workspace workspace;
    std::vector<Step> stages;
    Step dense1, dense2;
  };
  kernels::PixelBatch taken() const override {
    return {.type = kernels::Pixels::f32, .pixels = images_.data()};
  }
  const Operations& operations(int64_t count);
  float* logits(int64_t count);
  /// A stage from `x` to the other of the two maps; returns it.
  float* run(size_t stage, const Operations& operations, int64_t count, float* x);
  int64_t planned(int64_t count) const { return fixed_ ? block_images() : count; }

  Planner& planner_;
  bool fixed_;                        // operations are always for block_images()
  std::unique_ptr<Operations> full_;  // of whole blocks
  std::unique_ptr<Operations> part_;  // of the number of images that last filled none
  DeviceBuffer<float> folded_;
  DeviceBuffer<float> images_;
};

}  // namespace oddity::cuda
