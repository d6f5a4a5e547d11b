// The CUDA engine as the program finds it: a plugin that is opened on first need, or the reason why
// it cannot be used. Everything here may be called from any thread; the plugin is looked for once.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"

namespace oddity {

/// Why CUDA device `ordinal` (from 0) cannot be used, in a few words; empty where it can.
std::string why_no_cuda(int ordinal);

/// An engine on CUDA device `ordinal` (from 0). Throws DeviceError, with the reason, where the
/// device cannot be used.
std::unique_ptr<Engine> make_cuda_engine(int ordinal, const EngineOptions& options);

/// Versions of driver, CUDA runtime, cuDNN and cuBLAS, and what of them is missing, in a few words;
/// empty where there is no plugin to ask.
std::string cuda_libraries();

}  // namespace oddity
