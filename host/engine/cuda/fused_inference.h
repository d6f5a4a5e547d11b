// Inference in few launches, for the kernels: fused_inference_plan.h says which.
#pragma once

#include "engine/cuda/fused_inference_plan.h"
#include "engine/cuda/inference.h"

namespace oddity::cuda {

/// Of networks that FusedStep::fits.
class FusedInference final : public Inference {
 public:
  FusedInference(const Plan& plan, cudaStream_t stream, int64_t max_images);

  void load(const NetworkState& state) override;
  void take_images(const PixelSource& images, const uint32_t* positions, int64_t first,
                   int64_t count) override;
  float* encode(int64_t count) override;
  float* decode(int64_t count) override;
  float* pixel_errors(int64_t count) override;
  void score(int64_t count, float* errors) override;

  // The parts of these, which tests look at, too (InferenceLaunches).
  float* hidden(int64_t count);
  float* activation(size_t stage, int64_t count, const float* x);
  /// What normalises it, [kStatistics, channels].
  float* statistics(size_t stage) const {
    return statistics_.data() + statistics_place(plan(), stage);
  }

 private:
  kernels::PixelBatch taken() const override { return pixels_; }
  /// Enqueues what add(launches) puts together, and returns what it does.
  template <typename Add>
  float* run(int64_t count, Add&& add);

  InferenceMemory memory_;
  DeviceBuffer<float> statistics_;
  DeviceBuffer<float> parts_;      // of the images' errors
  DeviceBuffer<float> workspace_;  // of the encoder's dense layer
  kernels::PixelBatch pixels_;
};

}  // namespace oddity::cuda
