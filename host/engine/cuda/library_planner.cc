#include "engine/cuda/library_planner.h"

#include <map>
#include <optional>
#include <utility>

#include "check.h"
#include "core/error.h"
#include "engine/cuda/cublas_dense.h"
#include "engine/cuda/cudnn_operation.h"

namespace oddity::cuda {
namespace {

// Enough to keep a device busy, and little to compute for nothing where there are fewer.
constexpr int64_t kInferenceImages = 256;

std::string versions(const CudnnLibrary& cudnn, const CublasLibrary& cublas) {
  return fmt::format("cuDNN {}, cuBLAS {}", cudnn.version(), cublas.version());
}

int compute_capability_major(int device) {
  int major = 0;
  kernels::check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  return major;
}

class LibraryPlanner final : public Planner {
 public:
  explicit LibraryPlanner(int device)
      : cublas_workspace_(cublas_workspace_bytes(compute_capability_major(device))),
        cudnn_(std::make_shared<CudnnHandle>(std::make_shared<const CudnnLibrary>())),
        cublas_(std::make_shared<CublasHandle>(std::make_shared<const CublasLibrary>())),
        graphs_(cudnn_),
        kernels_(make_kernel_planner()) {}

  std::shared_ptr<const Operation> plan(const OperationSpec& spec) override {
    const auto known = plans_.find(spec);
    if (known != plans_.end()) return known->second;
    return plans_.emplace(spec, make(spec)).first->second;
  }
  Precision precision() const override { return Precision::tf32; }
  int64_t inference_images() const override { return kInferenceImages; }
  std::string name() const override {
    return fmt::format("tf32 ({})", versions(*cudnn_->library(), cublas_->library()));
  }

 private:
  std::shared_ptr<const Operation> make(const OperationSpec& spec) {
    if (const auto product = matrix_product(spec)) {
      return make_cublas_dense(cublas_, spec, *product, cublas_workspace_);
    }
    if (std::optional<GraphPlan> graph = graphs_.plan(spec)) {
      return make_cudnn_operation(cudnn_, spec, std::move(*graph));
    }
    return kernels_->plan(spec);
  }

  int64_t cublas_workspace_;
  std::shared_ptr<CudnnHandle> cudnn_;
  std::shared_ptr<CublasHandle> cublas_;
  GraphPlanner graphs_;
  std::unique_ptr<Planner> kernels_;
  std::map<OperationSpec, std::shared_ptr<const Operation>> plans_;
};

}  // namespace

std::unique_ptr<Planner> make_library_planner(int device) {
  return std::make_unique<LibraryPlanner>(device);
}

std::string library_versions() { return versions(CudnnLibrary(), CublasLibrary()); }

}  // namespace oddity::cuda
