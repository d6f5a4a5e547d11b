#include "engine/cuda/fused_step.h"

#include <algorithm>

namespace oddity::cuda {

bool FusedStep::fits(const Plan& plan) {
  return std::all_of(plan.stages.begin(), plan.stages.end(), [](const Stage& stage) {
    return stage.out_channels <= kernels::kMostStageChannels;
  });
}

FusedStep::FusedStep(const Plan& plan, NetworkState& state, int64_t images, cudaStream_t stream)
    : TrainingStep(plan, images),
      plan_(plan),
      state_{state.parameters.data(), state.first_moment.data(), state.second_moment.data(),
             state.moving.data()},
      arena_(FusedMemory(plan, images, nullptr).bytes, "a training step"),
      memory_(plan, images, arena_.data()) {
  const std::vector<kernels::UpdatePart> updates = fused_updates(plan, memory_);
  updates_ = {std::ssize(updates), "a training step"};
  updates_.upload(updates, stream);
  check(cudaStreamSynchronize(stream));  // before the host's copy goes
}

const LaunchPlan& FusedStep::launches(const EpochInput& input) {
  if (launches_.nodes().empty() || !(planned_ == input)) {
    launches_ =
        plan_fused_step(plan_, memory_, images(), state_, updates_.data(), updates_.size(), input);
    planned_ = input;
  }
  return launches_;
}

void FusedStep::enqueue(cudaStream_t stream, const EpochInput& input) {
  launches(input).enqueue(stream);
}

CapturedGraph FusedStep::capture(cudaStream_t stream, const EpochInput& input, int64_t steps) {
  return launches(input).repeated(steps).capture(stream);
}

}  // namespace oddity::cuda
