// Plans over memory that does not exist: their launches can be looked at and recorded
// (launch_recorder.h), not made.
#pragma once

#include "engine/cuda/fused_inference_plan.h"
#include "engine/cuda/fused_plan.h"

namespace oddity::cuda {

/// A fused training step.
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

/// The scores of a block of images by fused inference, of a `plan` that FusedStep::fits.
LaunchPlan dry_score(const Plan& plan, int64_t images);

}  // namespace oddity::cuda
