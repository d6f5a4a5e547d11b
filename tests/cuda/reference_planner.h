// A double of cuDNN and cuBLAS: executes specifications with the plain loops of tests/reference, as
// host work in the streams of the emulator, and is strict about what it is called with.
#pragma once

#include <memory>

#include "engine/cuda/operation.h"

namespace oddity::cuda {

/// Plans anything. An operation demands a workspace of an odd number of bytes, which it fills with
/// NaN. enqueue() throws std::logic_error, with specification and operand, where the number of
/// operands is wrong, one or the workspace is null, not 256-byte aligned or not wholly inside of
/// one allocation, or two overlap.
///
/// Results are float64 rounded to float32. As with the libraries the bits of an image's result
/// depend on the number of images an operation was planned for; inference_images() is 5.
std::unique_ptr<Planner> make_reference_planner();

}  // namespace oddity::cuda
