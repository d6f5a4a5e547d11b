// The ways in which the CUDA engine is tested on the emulator.
#pragma once

#include <string>

#include "engine/cuda/cuda_engine.h"
#include "engine/engine_test.h"

namespace oddity::test {

/// "emulated_kernels": our kernels throughout. "emulated_libraries": what cuDNN and cuBLAS would
/// compute is computed by a double, the rest by our kernels.
cuda::CudaEngineOptions emulated(const std::string& name);

}  // namespace oddity::test
