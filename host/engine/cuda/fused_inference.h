// Inference in few launches (kernels/stage.h): the first reads pixels, every other one normalises
// the map that it reads, and the last goes from the decoder's last map but one to what is wanted
// (kernels/decoder_tail.h), so that the largest map is never in memory.
#pragma once

#include <vector>

#include "decoder_tail.h"
#include "engine/cuda/inference.h"
#include "stage.h"

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

  // The parts of these, which tests look at, too.
  /// The decoder's first map, of the latent vectors.
  float* hidden(int64_t count);
  /// The activation of a stage before the tail, not yet normalised. x is that of the one before, or
  /// hidden(); the first reads pixels.
  float* activation(size_t stage, int64_t count, const float* x);
  /// What normalises it, [kStatistics, channels].
  float* statistics(size_t stage) const { return statistics_.data() + places_[stage]; }

 private:
  kernels::PixelBatch taken() const override { return pixels_; }
  /// The map that a stage left in x, as the next layer reads it.
  kernels::NormalisedMap normalised(size_t stage, const float* x) const;
  /// What a stage but the first reads.
  kernels::NormalisedMap input(size_t stage, const float* x) const;
  /// What the tail reads, of the latent vectors.
  const float* tail_input(int64_t count);
  /// The last two stages, and what is made of them.
  void run_tail(int64_t count, const float* x, kernels::TailResult result, float* to);
  float* decode(int64_t count, kernels::TailResult result);
  /// Parts that the tail leaves of an image's error.
  int64_t error_parts() const;
  kernels::Conv2dShape shape(size_t stage, int64_t count) const;

  size_t tail_;                  // the stage that the tail begins with
  std::vector<int64_t> places_;  // of the stages' statistics
  DeviceBuffer<float> statistics_;
  DeviceBuffer<float> parts_;      // of the images' errors
  DeviceBuffer<float> workspace_;  // of the encoder's dense layer
  kernels::PixelBatch pixels_;
};

}  // namespace oddity::cuda
