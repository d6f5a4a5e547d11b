// An OperationSpec executed on the host by the plain loops of tests/reference.
#pragma once

#include <span>

#include "engine/cuda/operation.h"

namespace oddity::cuda {

/// Computes `spec` in float64 and rounds to float32. `tensors` are in host memory, in the layouts
/// and the order of operands(spec). What is linear (and its bias) is multiplied by `scale` before
/// it is rounded.
void run_reference(const OperationSpec& spec, std::span<float* const> tensors, double scale = 1);

}  // namespace oddity::cuda
