// What training and inference share: the state of a network in device memory, and planned
// operations that take their tensors by pointer.
#pragma once

#include <initializer_list>
#include <memory>

#include "engine/cuda/operation.h"
#include "engine/cuda/plan.h"
#include "engine/cuda/resources.h"
#include "images.h"

namespace oddity::cuda {

/// The weights of a network and Adam's moments, flat as `Plan` places them.
struct NetworkState {
  explicit NetworkState(const Plan& plan)
      : parameters(plan.parameters, "the weights"),
        first_moment(plan.parameters, "Adam's moments"),
        second_moment(plan.parameters, "Adam's moments"),
        moving(plan.moving, "the moving statistics") {}

  DeviceBuffer<float> parameters;
  DeviceBuffer<float> first_moment;
  DeviceBuffer<float> second_moment;
  DeviceBuffer<float> moving;
};

/// Images in device memory, of the network's shape.
struct PixelSource {
  kernels::Pixels type = kernels::Pixels::u8;
  const void* pixels = nullptr;
  friend bool operator==(const PixelSource&, const PixelSource&) = default;
};

/// Device memory that operations share, one run at a time.
class Workspace {
 public:
  /// Makes room for `bytes`; only before allocate().
  void reserve(int64_t bytes) { bytes_ = bytes > bytes_ ? bytes : bytes_; }
  void allocate() { memory_ = DeviceBuffer<std::byte>(bytes_, "the workspace of operations"); }
  std::byte* data() const { return memory_.data(); }

 private:
  int64_t bytes_ = 0;
  DeviceBuffer<std::byte> memory_;
};

/// An operation with the stream and workspace it runs on.
class Step {
 public:
  Step() = default;
  Step(Planner& planner, const OperationSpec& spec, Workspace& workspace)
      : operation_(planner.plan(spec)), workspace_(&workspace) {
    workspace.reserve(operation_->workspace_bytes());
  }
  void operator()(cudaStream_t stream, std::initializer_list<float*> tensors) const {
    operation_->enqueue(stream, {tensors.begin(), tensors.size()}, workspace_->data());
  }

 private:
  std::shared_ptr<const Operation> operation_;
  const Workspace* workspace_ = nullptr;
};

}  // namespace oddity::cuda
