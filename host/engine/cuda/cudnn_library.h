// cuDNN, opened at run time: the functions of its backend (graph) API that are used here, and a
// handle. Documented under "Backend API" in NVIDIA's cuDNN documentation.
#pragma once

#include <cudnn_graph.h>

#include <cstddef>
#include <memory>
#include <string>

#include "engine/cuda/shared_library.h"

namespace oddity::cuda {

/// The functions of libcudnn.so.9. Shared by everything that holds an object of the library.
class CudnnLibrary {
 public:
  /// Throws DeviceError where the library is missing or older than 9.0.
  CudnnLibrary();

  std::string version() const;  // "9.19.0"

  /// Throws DeviceError unless `status` is success: `cuDNN: <call>: <status> (<last error>)`.
  void check(cudnnStatus_t status, const char* call) const;
  /// The status in words, with what cuDNN says of its last error. cuDNN then forgets it.
  std::string describe(cudnnStatus_t status) const;

  decltype(&cudnnCreate) create;
  decltype(&cudnnDestroy) destroy;
  decltype(&cudnnSetStream) set_stream;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendSetAttribute) set_attribute;
  decltype(&cudnnBackendGetAttribute) get_attribute;
  decltype(&cudnnBackendExecute) execute;

 private:
  SharedLibrary library_;
  decltype(&cudnnGetVersion) get_version_;
  decltype(&cudnnGetErrorString) get_error_string_;
  decltype(&cudnnGetLastErrorString) get_last_error_string_;
};

/// Throws DeviceError, with both versions, where `version` (as cudnnGetVersion reports it: 91900 is
/// 9.19.0) is older than what the engine needs.
void require_cudnn_version(size_t version);

/// A handle for the current device, and the stream it was last given. For one thread at a time.
class CudnnHandle {
 public:
  /// Throws DeviceError where cuDNN cannot use the device.
  explicit CudnnHandle(std::shared_ptr<const CudnnLibrary> library);
  CudnnHandle(const CudnnHandle&) = delete;
  CudnnHandle& operator=(const CudnnHandle&) = delete;
  ~CudnnHandle();

  const std::shared_ptr<const CudnnLibrary>& library() const { return library_; }
  cudnnHandle_t get() const { return handle_; }
  void use_stream(cudaStream_t stream);

 private:
  std::shared_ptr<const CudnnLibrary> library_;
  cudnnHandle_t handle_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

}  // namespace oddity::cuda
