#include "engine/cuda/device.h"

#include <fmt/format.h>

#include "core/error.h"

namespace oddity::cuda {
namespace {

constexpr int kOldestMajor = 7;
constexpr int kOldestMinor = 5;

DeviceInfo describe(int ordinal, const Planner& planner) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal));
  return {fmt::format("cuda:{}", ordinal),
          fmt::format("{}, sm_{}{}, {:.0f} GiB, {}", properties.name, properties.major,
                      properties.minor, static_cast<double>(properties.totalGlobalMem) / (1 << 30),
                      planner.name()),
          planner.precision()};
}

}  // namespace

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string why_not_usable(int ordinal) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver) {
    int driver = 0;
    int runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    cudaGetLastError();
    return driver == 0 ? std::string("no NVIDIA driver found")
                       : fmt::format("the driver is for CUDA {}, {} is needed: update the driver",
                                     version_text(driver), version_text(runtime));
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    cudaGetLastError();
    return "the driver finds no GPU";
  }
  if (error != cudaSuccess) {
    cudaGetLastError();
    return cudaGetErrorString(error);
  }
  if (ordinal >= count) {
    return fmt::format("there {} {} GPU{}, counted from 0", count == 1 ? "is" : "are", count,
                       count == 1 ? "" : "s");
  }
  int major = 0;
  int minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal));
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal));
  if (major * 10 + minor < kOldestMajor * 10 + kOldestMinor) {
    return fmt::format("GPU {} is of compute capability {}.{}, {}.{} or newer is needed", ordinal,
                       major, minor, kOldestMajor, kOldestMinor);
  }
  return "";
}

Device::Device(int ordinal, const PlannerFactory& make_planner) : ordinal_(ordinal) {
  const std::string why_not = why_not_usable(ordinal);
  if (!why_not.empty()) throw DeviceError("device cuda:{} is not available: {}", ordinal, why_not);
  make_current();
  stream_ = std::make_unique<Stream>();
  planner_ = make_planner();
  info_ = describe(ordinal, *planner_);
}

}  // namespace oddity::cuda
