// Every operation that the engine would use for an architecture, run on this device and compared
// with plain float64 loops: what `oddity selftest` shows of a CUDA device.
#pragma once

#include <cuda_runtime_api.h>

#include <vector>

#include "engine/cuda/operation.h"
#include "engine/cuda/plan.h"
#include "engine/engine.h"

namespace oddity::cuda {

/// The planned operations of training (whole and partial batches) and inference, then the kernels
/// that are no operations. The current device is that of `planner` and `stream`. Throws
/// DeviceError.
std::vector<SelfTestResult> run_selftest(Planner& planner, cudaStream_t stream,
                                         const Architecture& architecture);

/// A row for each of `specs` as `planner` plans them.
std::vector<SelfTestResult> selftest_operations(Planner& planner, cudaStream_t stream,
                                                std::span<const OperationSpec> specs);

/// Rows for the kernels behind, between and after the operations of `plan`, for `images` images.
std::vector<SelfTestResult> selftest_kernels(cudaStream_t stream, const Plan& plan, int64_t images);

/// Rows for what robust training and scores need besides, `images` images a batch.
std::vector<SelfTestResult> selftest_robust(cudaStream_t stream, const Plan& plan, int64_t images);

/// Rows for the kernels of fused training and inference, of a network that FusedStep::fits: those
/// of the stages, and the others.
std::vector<SelfTestResult> selftest_stages(cudaStream_t stream, const Plan& plan, int64_t images);
std::vector<SelfTestResult> selftest_fused(cudaStream_t stream, const Plan& plan, int64_t images);

}  // namespace oddity::cuda
