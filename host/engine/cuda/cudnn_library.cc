#include "engine/cuda/cudnn_library.h"

#include <array>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace oddity::cuda {
namespace {

constexpr std::array kFileNames = {"libcudnn.so.9"};
constexpr const char* kCure = "install cuDNN 9 or use --precision fp32";
constexpr size_t kOldestVersion = 90000;

/// cuDNN 9 counts 10000 a major version, 8 counted 1000.
std::string version_text(size_t version) {
  const size_t scale = version < 10000 ? 1000 : 10000;
  return fmt::format("{}.{}.{}", version / scale, version % scale / 100, version % 100);
}

}  // namespace

void require_cudnn_version(size_t version) {
  if (version < kOldestVersion) {
    throw DeviceError("cuDNN {} or newer is needed, this is {}: {}", version_text(kOldestVersion),
                      version_text(version), kCure);
  }
}

CudnnLibrary::CudnnLibrary() : library_("cuDNN", kFileNames, kCure) {
  library_.load(get_version_, "cudnnGetVersion");
  require_cudnn_version(get_version_());
  library_.load(get_error_string_, "cudnnGetErrorString");
  library_.load(get_last_error_string_, "cudnnGetLastErrorString");
  library_.load(create, "cudnnCreate");
  library_.load(destroy, "cudnnDestroy");
  library_.load(set_stream, "cudnnSetStream");
  library_.load(create_descriptor, "cudnnBackendCreateDescriptor");
  library_.load(destroy_descriptor, "cudnnBackendDestroyDescriptor");
  library_.load(finalize, "cudnnBackendFinalize");
  library_.load(set_attribute, "cudnnBackendSetAttribute");
  library_.load(get_attribute, "cudnnBackendGetAttribute");
  library_.load(execute, "cudnnBackendExecute");
}

std::string CudnnLibrary::version() const { return version_text(get_version_()); }

std::string CudnnLibrary::describe(cudnnStatus_t status) const {
  std::array<char, 1024> last_error{};
  get_last_error_string_(last_error.data(), last_error.size());
  const std::string_view text = last_error.data();
  return text.empty() ? get_error_string_(status)
                      : fmt::format("{} ({})", get_error_string_(status), text);
}

void CudnnLibrary::check(cudnnStatus_t status, const char* call) const {
  if (status != CUDNN_STATUS_SUCCESS) {
    throw DeviceError("cuDNN: {}: {}", call, describe(status));
  }
}

CudnnHandle::CudnnHandle(std::shared_ptr<const CudnnLibrary> library)
    : library_(std::move(library)) {
  library_->check(library_->create(&handle_), "cudnnCreate");
}

CudnnHandle::~CudnnHandle() { library_->destroy(handle_); }

void CudnnHandle::use_stream(cudaStream_t stream) {
  if (stream == stream_) return;
  library_->check(library_->set_stream(handle_, stream), "cudnnSetStream");
  stream_ = stream;
}

}  // namespace oddity::cuda
