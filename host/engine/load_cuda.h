// The CUDA engine as the program finds it: a plugin that is opened on first need, or the reason why
// it cannot be used. Everything here may be called from any thread; the plugin is looked for once.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/launch_report.h"

namespace oddity {

/// Why CUDA device `ordinal` (from 0) cannot be used, in a few words; empty where it can.
std::string why_no_cuda(int ordinal);

/// An engine on CUDA device `ordinal` (from 0). Throws DeviceError, with the reason, where the
/// device cannot be used.
std::unique_ptr<Engine> make_cuda_engine(int ordinal, const EngineOptions& options);

/// Versions of driver, CUDA runtime, cuDNN and cuBLAS, and what of them is missing, in a few words;
/// empty where there is no plugin to ask.
std::string cuda_libraries();

/// What the CUDA engine would launch on such a card for a training step of `images` and for scores.
/// Needs the plugin, but neither device nor driver. Throws DeviceError, with the reason, where
/// there is no plugin.
LaunchReport cuda_launches(const Architecture& architecture, int64_t images,
                           const CardLimits& card);

}  // namespace oddity
