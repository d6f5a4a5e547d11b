// The CUDA engine, for the plugin's entry point and for tests that choose how it computes.
#pragma once

#include <memory>

#include "engine/cuda/device.h"

namespace oddity::cuda {

struct CudaEngineOptions {
  int ordinal = 0;
  int64_t max_batch = 1024;  // as EngineOptions
  PlannerFactory make_planner = [] { return make_kernel_planner(); };
  Precision scores = Precision::fp32;  // where the fused scorer is taken; tf32: nowhere
  /// Training replays a captured graph; otherwise every kernel is launched by itself. The bits are
  /// the same.
  bool graphs = true;
};

/// Throws DeviceError where the device cannot be used.
std::unique_ptr<Engine> make_cuda_engine(const CudaEngineOptions& options);

}  // namespace oddity::cuda
