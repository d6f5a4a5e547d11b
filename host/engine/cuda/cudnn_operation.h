// A GraphPlan as an Operation: what cuDNN computes, and the kernels that do the rest.
#pragma once

#include <memory>

#include "engine/cuda/cudnn_plan.h"
#include "engine/cuda/operation.h"

namespace oddity::cuda {

/// The operation that runs `plan`, which was made for `spec` and the device of `handle`. After the
/// graph kernels compute an epilogue that is not part of it, and move the moving moments (cuDNN
/// would move them by the unbiased variance).
std::shared_ptr<const Operation> make_cudnn_operation(std::shared_ptr<CudnnHandle> handle,
                                                      const OperationSpec& spec, GraphPlan plan);

}  // namespace oddity::cuda
