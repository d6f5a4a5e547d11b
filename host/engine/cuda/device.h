// One GPU as the engine uses it: its stream, the planner of its operations, what it is called.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/cuda/operation.h"
#include "engine/cuda/resources.h"
#include "engine/engine.h"

namespace oddity::cuda {

/// Makes the planner of the current device.
using PlannerFactory = std::function<std::unique_ptr<Planner>()>;

class Device {
 public:
  /// Throws DeviceError where why_not_usable(ordinal) is not empty.
  Device(int ordinal, const PlannerFactory& make_planner);
  /// Where the last owner happens to be, the libraries' handles end on their own device.
  ~Device() { cudaSetDevice(ordinal_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// CUDA keeps a current device for each thread of the host: every call from outside begins here.
  void make_current() const { check(cudaSetDevice(ordinal_)); }
  cudaStream_t stream() const { return stream_->get(); }
  void synchronize() const { stream_->synchronize(); }
  Planner& planner() const { return *planner_; }
  DeviceInfo info() const { return info_; }

 private:
  int ordinal_;
  DeviceInfo info_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Planner> planner_;
};

/// Of a version as the CUDA runtime counts it: 13000 is "13.0".
std::string version_text(int version);

/// Why device `ordinal` cannot be used, in a few words; empty where it can.
std::string why_not_usable(int ordinal);

}  // namespace oddity::cuda
