// The device that a command computes on, and what happens when it fails.
#pragma once

#include <memory>

#include "console.h"
#include "core/error.h"
#include "engine/engine.h"
#include "options.h"

namespace oddity {

/// With --device auto, a CUDA device that fails at any moment (too little memory, a launch that is
/// refused) is said in one line, and the CPU computes instead. A device that was asked for by name,
/// or by a precision that only it has, fails for good.
class Device {
 public:
  /// Throws ArgumentError for options that exclude each other, DeviceError where the device that
  /// was asked for is not available.
  Device(const ComputeOptions& options, const Console& console);

  /// work(Engine&), and once more on the CPU where the first run fails: work must change nothing
  /// that a second run reads, files included. What it returns may live on the engine, but not
  /// longer than until the next run().
  template <typename Work>
  auto run(Work&& work) {
    try {
      return work(*engine_);
    } catch (const DeviceError& error) {
      fall_back(error);
    }
    return work(*engine_);
  }

  /// The one that computes now. What is done with it outside run() fails for good.
  Engine& engine() { return *engine_; }

 private:
  /// Only inside a handler: rethrows where the device is not to be replaced.
  void fall_back(const DeviceError& error);

  ComputeOptions options_;
  const Console& console_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace oddity
