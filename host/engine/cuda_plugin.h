// What the program and liboddity_cuda.so agree on. The CUDA engine is a plugin so that the one
// program starts at once, and starts at all, where there is no driver, no toolkit and no cuDNN.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/launch_report.h"

namespace oddity {

/// The plugin's only exported symbol, `oddity_cuda_plugin`, gives one of these.
struct CudaPlugin {
  const char* version;  // of Oddity; both sides must be of the same build
  /// Why device `ordinal` cannot be used, in a few words; empty where it can.
  std::string (*why_not)(int ordinal);
  /// An engine on device `ordinal`. Throws DeviceError.
  std::unique_ptr<Engine> (*make_engine)(int ordinal, const EngineOptions& options);
  /// Versions of CUDA runtime and driver, cuDNN and cuBLAS, for `oddity info`; says what is
  /// missing.
  std::string (*libraries)();
  /// What would be launched for a network on such a card. The only one that may be called where
  /// there is no driver.
  LaunchReport (*report_launches)(const Architecture& architecture, int64_t images,
                                  const CardLimits& card);
};

using CudaPluginEntry = const CudaPlugin* (*)();
inline constexpr const char* kCudaPluginEntry = "oddity_cuda_plugin";

/// The plugin's file name; it is looked for beside the program's library folder (../lib and the
/// program's own folder), then where the loader looks.
inline constexpr const char* kCudaPluginFile = "liboddity_cuda.so";

}  // namespace oddity
