#include <string_view>

#include "check.h"
#include "core/error.h"

namespace oddity::kernels {

void throw_cuda_error(cudaError_t error, const char* file, int line) {
  const std::string_view path = file;
  const auto slash = path.rfind('/');
  throw DeviceError("CUDA: {} ({}) at {}:{}", cudaGetErrorString(error), cudaGetErrorName(error),
                    slash == path.npos ? path : path.substr(slash + 1), line);
}

}  // namespace oddity::kernels
