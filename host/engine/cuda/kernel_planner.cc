// Every operation by the kernels of kernels/.
#include <utility>

#include "engine/cuda/operation.h"

namespace oddity::cuda {
namespace {

/// Floats of workspace that the operation's kernels need.
int64_t workspace_floats(const OperationSpec& spec) {
  switch (spec.kind) {
    case OperationKind::conv2d_weight_gradient:
      return kernels::conv2d_weight_gradient_workspace(spec.conv);
    case OperationKind::dense:
      return kernels::dense_workspace(spec.dense);
    case OperationKind::batch_norm_training:
    case OperationKind::batch_norm_backward:
      return kernels::batch_norm_workspace(spec.norm);
    case OperationKind::conv2d:
    case OperationKind::conv2d_transpose:
    case OperationKind::dense_data_gradient:
    case OperationKind::dense_weight_gradient:
      return 0;
  }
  return 0;
}

class KernelOperation final : public Operation {
 public:
  explicit KernelOperation(const OperationSpec& spec) : spec_(spec) {}

  int64_t workspace_bytes() const override {
    return workspace_floats(spec_) * static_cast<int64_t>(sizeof(float));
  }
  std::string computed_by() const override { return "kernels"; }

  void enqueue(cudaStream_t stream, std::span<float* const> t, void* workspace) const override {
    auto* const scratch = static_cast<float*>(workspace);
    const bool biased = spec_.epilogue != kernels::Epilogue::none;
    float* const bias = biased ? t[2] : nullptr;
    float* const y = t[biased ? 3 : 2];  // of the convolutions
    switch (spec_.kind) {
      case OperationKind::conv2d:
        return kernels::conv2d(stream, spec_.conv, t[0], t[1], bias, spec_.epilogue, y);
      case OperationKind::conv2d_transpose:
        return kernels::conv2d_transpose(stream, spec_.conv, t[0], t[1], bias, spec_.epilogue, y);
      case OperationKind::conv2d_weight_gradient:
        return kernels::conv2d_weight_gradient(stream, spec_.conv, t[0], t[1], t[2], scratch);
      case OperationKind::dense:
        return kernels::dense(stream, spec_.dense, t[0], t[1], t[2], t[3], scratch);
      case OperationKind::dense_data_gradient:
        return kernels::dense_data_gradient(stream, spec_.dense, t[0], t[1], t[2]);
      case OperationKind::dense_weight_gradient:
        return kernels::dense_weight_gradient(stream, spec_.dense, t[0], t[1], t[2]);
      case OperationKind::batch_norm_training:
        return kernels::batch_norm_training(stream, spec_.norm, t[0], t[1], t[2], t[3], t[4], t[5],
                                            t[6], t[7], scratch);
      case OperationKind::batch_norm_backward:
        return kernels::batch_norm_backward(stream, spec_.norm, t[0], t[1], t[2], t[3], t[4], t[5],
                                            t[6], t[7], scratch);
    }
  }

 private:
  OperationSpec spec_;
};

class KernelPlanner final : public Planner {
 public:
  explicit KernelPlanner(std::string note) : note_(std::move(note)) {}
  std::shared_ptr<const Operation> plan(const OperationSpec& spec) override {
    return std::make_shared<KernelOperation>(spec);
  }
  bool fuses() const override { return true; }
  std::string name() const override { return note_.empty() ? "fp32" : "fp32: " + note_; }

 private:
  std::string note_;
};

}  // namespace

std::unique_ptr<Planner> make_kernel_planner(std::string note) {
  return std::make_unique<KernelPlanner>(std::move(note));
}

}  // namespace oddity::cuda
