// cuBLAS, opened at run time: the functions that are used here, and a handle.
#pragma once

#include <cublas_v2.h>

#include <cstdint>
#include <memory>
#include <string>

#include "engine/cuda/shared_library.h"

namespace oddity::cuda {

/// The functions of libcublas.so.13, or of .12, where they are the same.
class CublasLibrary {
 public:
  /// Throws DeviceError where the library is missing.
  CublasLibrary();

  std::string version() const;  // "13.1.0"

  /// Throws DeviceError unless `status` is success: `cuBLAS: <call>: <status>`.
  void check(cublasStatus_t status, const char* call) const;

  decltype(&cublasCreate) create;
  decltype(&cublasDestroy) destroy;
  decltype(&cublasSetStream) set_stream;
  decltype(&cublasSetWorkspace) set_workspace;
  decltype(&cublasSetMathMode) set_math_mode;
  decltype(&cublasSgemm) sgemm;

 private:
  SharedLibrary library_;
  decltype(&cublasGetProperty) get_property_;
  decltype(&cublasGetStatusString) get_status_string_;
};

/// Bytes of workspace that NVIDIA recommends for a device of compute capability `major`.x: 32 MiB
/// from 9 (Hopper) on, 4 MiB before (cuBLAS documentation, cublasSetWorkspace).
constexpr int64_t cublas_workspace_bytes(int major) { return int64_t{major >= 9 ? 32 : 4} << 20; }

/// A handle for the current device that computes in TF32 where the device has it. For one thread at
/// a time.
class CublasHandle {
 public:
  /// Throws DeviceError where cuBLAS cannot use the device.
  explicit CublasHandle(std::shared_ptr<const CublasLibrary> library);
  CublasHandle(const CublasHandle&) = delete;
  CublasHandle& operator=(const CublasHandle&) = delete;
  ~CublasHandle();

  const CublasLibrary& library() const { return *library_; }
  cublasHandle_t get() const { return handle_; }
  /// What follows runs on `stream` and in `workspace`, 256-byte aligned, instead of in memory that
  /// cuBLAS allocates for itself.
  void use(cudaStream_t stream, void* workspace, int64_t bytes);

 private:
  std::shared_ptr<const CublasLibrary> library_;
  cublasHandle_t handle_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

}  // namespace oddity::cuda
