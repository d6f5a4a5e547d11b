#include "engine/cuda/training.h"

#include <algorithm>

#include "core/error.h"
#include "engine/cuda/flop.h"
#include "engine/cuda/fused_step.h"
#include "engine/cuda/layered_step.h"

namespace oddity::cuda {
namespace {

constexpr int64_t kMostSteps = 8;
// What any card that the engine takes computes in some hundredths of a second.
constexpr int64_t kMostFlop = 64'000'000'000;

}  // namespace

int64_t steps_a_graph(const Plan& plan, int64_t images) {
  int64_t flop = 2 * products_flop(kernels::DenseShape{images, plan.features, plan.latent});
  for (const Stage& stage : plan.stages) flop += products_flop(stage.shape(images));
  // Of each layer the gradients of data and weights take as much again.
  return std::clamp<int64_t>(kMostFlop / (3 * flop), 1, kMostSteps);
}

int64_t TrainingStep::launch(cudaStream_t stream, const EpochInput& input, int64_t left) {
  if (!warm_) {
    // The first run of a kernel or plan may load code and take memory, which a capture forbids.
    warm_ = true;
    enqueue(stream, input);
    return 1;
  }
  Recording& wanted = left >= several_.steps ? several_ : one_;
  if (!capture_refused_ && (!wanted.graph || !(wanted.input == input))) {
    wanted.graph.reset();
    try {
      wanted.graph = capture(stream, input, wanted.steps);
      wanted.input = input;
    } catch (const DeviceError&) {
      // Of a library's plan nobody promises that it can be captured. Nothing has run; the same
      // work without a graph gives the same bits.
      capture_refused_ = true;
    }
  }
  if (capture_refused_) {
    enqueue(stream, input);
    return 1;
  }
  wanted.graph.launch(stream);
  return wanted.steps;
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
