// Training steps on a fixed number of images: enqueued kernel by kernel, or replayed as graphs of
// one step and of several.
#pragma once

#include <cstdint>
#include <memory>

#include "adam.h"
#include "engine/cuda/pass.h"

namespace oddity::cuda {

/// What the steps of an epoch read, all in device memory but `progress`.
struct EpochInput {
  PixelSource images;
  const uint32_t* positions = nullptr;   // of all the epoch's images, in order
  const float* rates = nullptr;          // Adam's, one a step, bias correction included
  kernels::EpochState* state = nullptr;  // counts the steps
  kernels::EpochProgress progress;       // what the host watches
  int64_t batch = 0;                     // images of every step but the last
  // Network::train_epoch: the share of a step's images that gives no gradient, 0 for none, and of
  // each image of the set its variation (CudaImages), null for none.
  double trim = 0;
  const float* variations = nullptr;
  /// The images of the step that state says.
  kernels::PixelBatch pixels() const {
    return {images.type, images.pixels, positions, state, batch};
  }
  friend bool operator==(const EpochInput&, const EpochInput&) = default;
};

/// Steps that a graph of several holds, so that the device passes from one to the next by itself;
/// fewer of a large network, as one that is launched does not stop for Ctrl-C.
int64_t steps_a_graph(const Plan& plan, int64_t images);

class TrainingStep {
 public:
  TrainingStep(const Plan& plan, int64_t images)
      : images_(images), several_{steps_a_graph(plan, images), {}, {}} {}
  virtual ~TrainingStep() = default;
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;

  int64_t images() const { return images_; }
  /// Enqueues the step: gather, forward, loss, backward, Adam, state->step += 1.
  virtual void enqueue(cudaStream_t stream, const EpochInput& input) = 0;
  /// The same as a graph, of several steps where so many of the input's are `left` ≥ 1; returns how
  /// many it launched. A graph is recorded when the input is not that of its last launch; the first
  /// call of all only enqueues, and so do all where an operation cannot be captured.
  int64_t launch(cudaStream_t stream, const EpochInput& input, int64_t left);
  /// Kernels and copies of the two graphs; 0 before there is one.
  size_t nodes_of_one() const { return one_.graph.nodes(); }
  size_t nodes_of_several() const { return several_.graph.nodes(); }

 private:
  struct Recording {
    int64_t steps = 1;
    CapturedGraph graph;
    EpochInput input;
  };

  /// So many steps in a row.
  virtual CapturedGraph capture(cudaStream_t stream, const EpochInput& input, int64_t steps) = 0;

  int64_t images_;
  bool warm_ = false;
  bool capture_refused_ = false;
  Recording one_, several_;
};

/// The step that the planner's computations are made for: fused (fused_step.h) where they are our
/// kernels, else of its operations (layered_step.h).
std::unique_ptr<TrainingStep> make_training_step(const Plan& plan, Planner& planner,
                                                 NetworkState& state, int64_t images,
                                                 cudaStream_t stream);

}  // namespace oddity::cuda
