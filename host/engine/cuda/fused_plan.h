// The launches of a fused training step (kernels/stage.h), with their dependencies: about half as
// many on the longest chain as there are layers, the gradients of the weights beside it. Pointers
// are only passed on: a plan can be made, and looked at, where there is no device.
#pragma once

#include "engine/cuda/fused_memory.h"
#include "engine/cuda/launch_plan.h"
#include "engine/cuda/training.h"
#include "update.h"

namespace oddity::cuda {

/// The network's state as the step moves it: pointers of NetworkState.
struct FusedState {
  float* parameters = nullptr;
  float* first_moment = nullptr;
  float* second_moment = nullptr;
  float* moving = nullptr;
};

/// What the last launch adds up and moves: the contents of its table.
std::vector<kernels::UpdatePart> fused_updates(const Plan& plan, const FusedMemory& memory);

/// The step of `images` images. `updates` [update_count] are fused_updates in device memory.
LaunchPlan plan_fused_step(const Plan& plan, const FusedMemory& memory, int64_t images,
                           const FusedState& state, const kernels::UpdatePart* updates,
                           int64_t update_count, const EpochInput& input);

}  // namespace oddity::cuda
