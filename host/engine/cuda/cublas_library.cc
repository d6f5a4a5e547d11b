#include "engine/cuda/cublas_library.h"

#include <array>
#include <utility>

#include "core/error.h"

namespace oddity::cuda {
namespace {

constexpr std::array kFileNames = {"libcublas.so.13", "libcublas.so.12"};
constexpr const char* kCure = "install cuBLAS 13 or use --precision fp32";

}  // namespace

CublasLibrary::CublasLibrary() : library_("cuBLAS", kFileNames, kCure) {
  library_.load(get_property_, "cublasGetProperty");
  library_.load(get_status_string_, "cublasGetStatusString");
  library_.load(create, "cublasCreate_v2");
  library_.load(destroy, "cublasDestroy_v2");
  library_.load(set_stream, "cublasSetStream_v2");
  library_.load(set_workspace, "cublasSetWorkspace_v2");
  library_.load(set_math_mode, "cublasSetMathMode");
  library_.load(sgemm, "cublasSgemm_v2");
}

std::string CublasLibrary::version() const {
  int major = 0;
  int minor = 0;
  int patch = 0;
  check(get_property_(MAJOR_VERSION, &major), "cublasGetProperty");
  check(get_property_(MINOR_VERSION, &minor), "cublasGetProperty");
  check(get_property_(PATCH_LEVEL, &patch), "cublasGetProperty");
  return fmt::format("{}.{}.{}", major, minor, patch);
}

void CublasLibrary::check(cublasStatus_t status, const char* call) const {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw DeviceError("cuBLAS: {}: {}", call, get_status_string_(status));
  }
}

CublasHandle::CublasHandle(std::shared_ptr<const CublasLibrary> library)
    : library_(std::move(library)) {
  library_->check(library_->create(&handle_), "cublasCreate");
  const cublasStatus_t status = library_->set_math_mode(handle_, CUBLAS_TF32_TENSOR_OP_MATH);
  if (status != CUBLAS_STATUS_SUCCESS) library_->destroy(handle_);
  library_->check(status, "cublasSetMathMode");
}

CublasHandle::~CublasHandle() { library_->destroy(handle_); }

void CublasHandle::use(cudaStream_t stream, void* workspace, int64_t bytes) {
  // In this order: a new stream brings back cuBLAS' own workspace.
  if (stream != stream_) {
    library_->check(library_->set_stream(handle_, stream), "cublasSetStream");
    stream_ = stream;
  }
  library_->check(library_->set_workspace(handle_, workspace, static_cast<size_t>(bytes)),
                  "cublasSetWorkspace");
}

}  // namespace oddity::cuda
