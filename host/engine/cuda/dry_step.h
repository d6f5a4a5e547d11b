// A fused training step over memory that does not exist: its launches can be looked at and recorded
// (launch_recorder.h), not made.
#pragma once

#include "engine/cuda/fused_plan.h"

namespace oddity::cuda {

struct DryStep {
  /// `architecture` is one that FusedStep::fits. `trim` as in EpochInput.
  DryStep(const Architecture& architecture, int64_t images, double trim = 0);
  // The launches point into the plan.
  DryStep(const DryStep&) = delete;
  DryStep& operator=(const DryStep&) = delete;

  Plan plan;
  FusedMemory memory;
  LaunchPlan launches;
};

}  // namespace oddity::cuda
