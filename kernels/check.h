// Checked calls of the CUDA runtime, for host code and for the launches in device.cuh. Host-clean:
// nothing here needs nvcc, and nothing here brings fmt into nvcc's translation units.
#pragma once

#include <cuda_runtime_api.h>

namespace oddity::kernels {

/// Throws oddity::DeviceError: `CUDA: <error's text> (<its name>) at <file>:<line>`. A launch or an
/// asynchronous call may report here what an earlier one did.
[[noreturn]] void throw_cuda_error(cudaError_t error, const char* file, int line);

/// Throws oddity::DeviceError unless `error` is cudaSuccess. `file` and `line` are the caller's.
/// (std::source_location would say it better; Clang 14 has none with libstdc++.)
inline void check(cudaError_t error, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  if (error != cudaSuccess) {
    throw_cuda_error(error, file, line);
  }
}

}  // namespace oddity::kernels
