// What a specification means, in float64 and plain loops: the opinion that `oddity selftest` holds
// every planned operation against. Written to be believed on reading, not to be fast.
#pragma once

#include <span>
#include <vector>

#include "engine/cuda/operation.h"

namespace oddity::cuda {

/// Computes `spec` on `tensors`, one for each of operands(spec), in that order, of that size, and
/// in the layouts of kernels/. What is only read stays as it is; what is only written may hold
/// anything before. Throws Error where the number of tensors or a size is another.
void execute_reference(const OperationSpec& spec, std::span<std::vector<double>> tensors);

/// A step of Adam on one number (adam.h).
void reference_adam(double gradient, double rate, double& weight, double& first, double& second);

}  // namespace oddity::cuda
