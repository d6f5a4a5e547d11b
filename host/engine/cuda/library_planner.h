// The planner of --precision tf32: cuDNN and cuBLAS, and our kernels for what they refuse.
#pragma once

#include <memory>
#include <string>

#include "engine/cuda/operation.h"

namespace oddity::cuda {

/// Plans for `device`, which is the current one. Convolutions and batch normalisation by cuDNN,
/// dense layers by cuBLAS, in TF32 where the device has it; what they refuse by kernels;
/// computed_by() says which. Equal specifications share a plan. The planner and its operations
/// are for one thread at a time. Throws DeviceError where a library is missing, too old or cannot
/// use the device.
std::unique_ptr<Planner> make_library_planner(int device);

/// What is loaded for it: "cuDNN 9.19.0, cuBLAS 13.1.0". Needs no device. Throws DeviceError where
/// a library is missing or too old.
std::string library_versions();

}  // namespace oddity::cuda
