#include "engine/cuda/cudnn_operation.h"

#include <array>
#include <utility>

#include "bias.h"
#include "core/error.h"

namespace oddity::cuda {
namespace {

class CudnnOperation final : public Operation {
 public:
  CudnnOperation(std::shared_ptr<CudnnHandle> handle, const OperationSpec& spec, GraphPlan plan)
      : handle_(std::move(handle)), spec_(spec), plan_(std::move(plan)) {
    for (const Graph::Tensor& tensor : plan_.graph.tensors) {
      if (tensor.id < Graph::kFirstInnerId) ids_.push_back(tensor.id);
    }
    for (const Graph::Constant& constant : plan_.graph.constants) ids_.push_back(constant.id);
    if (ids_.size() > kMostTensors) {
      throw DeviceError("cuDNN: {} binds {} tensors, room is for {}", to_string(spec), ids_.size(),
                        kMostTensors);
    }
  }

  int64_t workspace_bytes() const override { return plan_.workspace_bytes; }

  void enqueue(cudaStream_t stream, std::span<float* const> tensors,
               void* workspace) const override {
    handle_->use_stream(stream);
    execute(tensors, workspace);
    if (plan_.fusion == Fusion::separate) add_epilogue(stream, tensors);
    if (spec_.kind == OperationKind::batch_norm_training) {
      kernels::batch_norm_moving(stream, spec_.norm.channels, tensors[4], tensors[5], tensors[6],
                                 tensors[7]);
    }
  }

  std::string computed_by() const override {
    return fmt::format("cudnn engine {}{}", plan_.engine,
                       plan_.fusion == Fusion::separate ? ", then kernels" : "");
  }

 private:
  static constexpr size_t kMostTensors = 16;

  /// No memory is allocated on the device and nothing waits: this may be captured into a graph.
  void execute(std::span<float* const> tensors, void* workspace) const {
    std::array<void*, kMostTensors> pointers{};
    size_t count = 0;
    for (const int64_t id : ids_) {
      if (id < Graph::kFirstInnerId) pointers[count++] = tensors[static_cast<size_t>(id - 1)];
    }
    for (const Graph::Constant& constant : plan_.graph.constants) {
      pointers[count++] = const_cast<float*>(&constant.value);  // only read, by the API's promise
    }
    const CudnnLibrary& library = *handle_->library();
    Descriptor bindings(handle_->library(), CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    bindings.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids_)
        .set_pointers(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span(pointers).first(count))
        .set_pointers(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, std::span(&workspace, 1))
        .finalize();
    library.check(library.execute(handle_->get(), plan_.descriptor.get(), bindings.get()),
                  "cudnnBackendExecute");
  }

  void add_epilogue(cudaStream_t stream, std::span<float* const> tensors) const {
    const kernels::Conv2dShape& shape = spec_.conv;
    const bool transposed = spec_.kind == OperationKind::conv2d_transpose;
    float* const y = tensors[3];
    kernels::bias_epilogue(stream, transposed ? shape.large_pixels() : shape.small_pixels(),
                           transposed ? shape.channels : shape.filters, y, tensors[2],
                           spec_.epilogue, y);
  }

  std::shared_ptr<CudnnHandle> handle_;
  OperationSpec spec_;
  GraphPlan plan_;
  std::vector<int64_t> ids_;  // of operands, then of constants
};

}  // namespace

std::shared_ptr<const Operation> make_cudnn_operation(std::shared_ptr<CudnnHandle> handle,
                                                      const OperationSpec& spec, GraphPlan plan) {
  return std::make_shared<CudnnOperation>(std::move(handle), spec, std::move(plan));
}

}  // namespace oddity::cuda
