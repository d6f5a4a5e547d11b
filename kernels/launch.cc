#include <string_view>

#include "check.h"
#include "core/error.h"
#include "launch_recorder.h"

namespace oddity::kernels {
namespace {

thread_local LaunchRecorder* recorder = nullptr;

}  // namespace

LaunchRecorder::LaunchRecorder() : outer_(recorder) { recorder = this; }

LaunchRecorder::~LaunchRecorder() { recorder = outer_; }

bool record_launch(const LaunchRecord& record) {
  if (recorder == nullptr) return false;
  recorder->records_.push_back(record);
  return true;
}

bool records_launches() { return recorder != nullptr; }

void throw_cuda_error(cudaError_t error, const char* file, int line) {
  const std::string_view path = file;
  const auto slash = path.rfind('/');
  throw DeviceError("CUDA: {} ({}) at {}:{}", cudaGetErrorString(error), cudaGetErrorName(error),
                    slash == path.npos ? path : path.substr(slash + 1), line);
}

}  // namespace oddity::kernels
