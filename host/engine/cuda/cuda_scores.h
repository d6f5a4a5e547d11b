// Scores in the memory of a CUDA device.
#pragma once

#include <memory>

#include "engine/cuda/device.h"
#include "engine/cuda/resources.h"
#include "engine/engine.h"

namespace oddity::cuda {

class CudaScores final : public Scores {
 public:
  CudaScores(std::shared_ptr<const Device> device, size_t count)
      : Scores(count),
        device_(std::move(device)),
        values_(static_cast<int64_t>(count), "the scores") {}
  float* data() const { return values_.data(); }
  /// Enqueues a copy of all scores to the device.
  void upload(std::span<const float> scores, cudaStream_t stream) {
    values_.upload(scores, stream);
  }

 private:
  void do_download(std::span<float> out) const override;
  std::vector<float> do_select(std::span<const uint64_t> ranks) const override;

  std::shared_ptr<const Device> device_;
  DeviceBuffer<float> values_;
};

}  // namespace oddity::cuda
