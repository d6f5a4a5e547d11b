#include "engine/cuda/training.h"

#include "core/error.h"
#include "engine/cuda/fused_step.h"
#include "engine/cuda/layered_step.h"

namespace oddity::cuda {

void TrainingStep::launch(cudaStream_t stream, const EpochInput& input) {
  if (!warm_) {
    // The first run of a kernel or plan may load code and take memory, which a capture forbids.
    warm_ = true;
    enqueue(stream, input);
    return;
  }
  if (!capture_refused_ && (!graph_ || !(recorded_ == input))) {
    graph_.reset();
    try {
      graph_ = capture(stream, input);
      recorded_ = input;
    } catch (const DeviceError&) {
      // Of a library's plan nobody promises that it can be captured. Nothing has run; the same
      // work without a graph gives the same bits.
      capture_refused_ = true;
    }
  }
  if (capture_refused_) {
    enqueue(stream, input);
  } else {
    graph_.launch(stream);
  }
}

std::unique_ptr<TrainingStep> make_training_step(const Plan& plan, Planner& planner,
                                                 NetworkState& state, int64_t images,
                                                 cudaStream_t stream) {
  if (planner.fuses() && FusedStep::fits(plan)) {
    return std::make_unique<FusedStep>(plan, state, images, stream);
  }
  return std::make_unique<LayeredStep>(plan, planner, state, images, stream);
}

}  // namespace oddity::cuda
