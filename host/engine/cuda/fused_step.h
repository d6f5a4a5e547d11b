// A training step in few launches, for the kernels: fused_plan.h says which.
#pragma once

#include "engine/cuda/fused_plan.h"

namespace oddity::cuda {

class FusedStep final : public TrainingStep {
 public:
  /// Whether the kernels take the network's maps: their constants must fit shared memory.
  static bool fits(const Plan& plan);

  /// Takes the step's memory.
  FusedStep(const Plan& plan, NetworkState& state, int64_t images, cudaStream_t stream);

  void enqueue(cudaStream_t stream, const EpochInput& input) override;

  /// What the last step left in device memory, for tests.
  const FusedMemory& memory() const { return memory_; }

 private:
  CapturedGraph capture(cudaStream_t stream, const EpochInput& input, int64_t steps) override;
  const LaunchPlan& launches(const EpochInput& input);

  const Plan& plan_;
  FusedState state_;
  DeviceBuffer<std::byte> arena_;
  FusedMemory memory_;
  DeviceBuffer<kernels::UpdatePart> updates_;
  LaunchPlan launches_;
  EpochInput planned_;
};

}  // namespace oddity::cuda
