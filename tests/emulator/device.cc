// What the emulated device says of itself, and the texts of errors.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "emulator/internal.h"

namespace oddity::emulator {

// "Maximum amount of shared memory per thread block", table of technical specifications by compute
// capability in the CUDA programming guide.
std::size_t shared_maximum() {
  const int capability = settings().compute_major * 10 + settings().compute_minor;
  std::size_t kibibytes = 227;
  if (capability < 75) {
    kibibytes = 96;
  } else if (capability < 80) {
    kibibytes = 64;
  } else if (capability == 80 || capability == 87) {
    kibibytes = 163;
  } else if (capability < 90 || capability >= 120) {
    kibibytes = 99;
  }
  return kibibytes << 10;
}

}  // namespace oddity::emulator

using namespace oddity::emulator;  // what follows is the C interface

namespace {

constexpr int kMultiprocessors = 4;

cudaError_t known_device(int device) {
  return device >= 0 && device < settings().device_count ? cudaSuccess : cudaErrorInvalidDevice;
}

thread_local int current_device = 0;

// The runtime has a text for each error; here are those that the emulator itself gives.
struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr ErrorText kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalState, "cudaErrorIllegalState",
     "the operation cannot be performed in the present state"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
     "operation would result in a merge of separate capture sequences"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
     "capture was not ended in the same stream as it began"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined",
     "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

const ErrorText* find_error(cudaError_t error) {
  const auto* const found =
      std::find_if(std::begin(kErrors), std::end(kErrors),
                   [error](const ErrorText& entry) { return entry.error == error; });
  return found == std::end(kErrors) ? nullptr : found;
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  const std::lock_guard lock(runtime_mutex());
  const Settings& device = settings();
  *count = device.device_count_error == cudaSuccess ? device.device_count : 0;
  if (device.device_count_error != cudaSuccess) {
    return result(device.device_count_error);
  }
  return result(device.device_count == 0 ? cudaErrorNoDevice : cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
  const std::lock_guard lock(runtime_mutex());
  const cudaError_t error = known_device(device);
  if (error == cudaSuccess) {
    current_device = device;
  }
  return result(error);
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const std::lock_guard lock(runtime_mutex());
  if (known_device(device) != cudaSuccess) {
    return result(cudaErrorInvalidDevice);
  }
  *properties = {};
  std::strcpy(properties->name, "emulator");
  properties->totalGlobalMem = settings().total_memory;
  properties->sharedMemPerBlock = kSharedDefault;
  properties->sharedMemPerBlockOptin = shared_maximum();
  properties->sharedMemPerMultiprocessor = shared_maximum() + (1 << 10);
  properties->regsPerBlock = 65536;
  properties->regsPerMultiprocessor = 65536;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = int(kThreadsMaximum);
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = int(kThreadsMaximum);
  properties->maxThreadsDim[2] = 64;
  properties->maxGridSize[0] = 0x7fffffff;
  properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
  properties->major = settings().compute_major;
  properties->minor = settings().compute_minor;
  properties->multiProcessorCount = kMultiprocessors;
  properties->canMapHostMemory = 1;
  properties->unifiedAddressing = 1;
  properties->concurrentKernels = 1;
  properties->asyncEngineCount = 2;
  properties->l2CacheSize = 4 << 20;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  const std::lock_guard lock(runtime_mutex());
  if (known_device(device) != cudaSuccess) {
    return result(cudaErrorInvalidDevice);
  }
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = settings().compute_major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = settings().compute_minor;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = kMultiprocessors;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = int(kSharedDefault);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = int(shared_maximum());
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = int(kThreadsMaximum);
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = 2048;
      break;
    case cudaDevAttrWarpSize:
      *value = 32;
      break;
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrConcurrentKernels:
      *value = 1;
      break;
    default:
      report("unknown-attribute", {}, Culprit::kHost, "cudaDeviceGetAttribute(%d): teach device.cc",
             int(attribute));
      return result(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  const std::lock_guard lock(runtime_mutex());
  *version = settings().driver_version;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

const char* cudaGetErrorName(cudaError_t error) {
  const ErrorText* const found = find_error(error);
  return found == nullptr ? "unrecognized error code" : found->name;
}

const char* cudaGetErrorString(cudaError_t error) {
  const ErrorText* const found = find_error(error);
  return found == nullptr ? "unrecognized error code" : found->text;
}

}  // extern "C"
