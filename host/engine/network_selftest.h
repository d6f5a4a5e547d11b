// Whole networks of an engine against float64: what `oddity selftest` adds to the single operations
// that an engine tests itself (Engine::selftest).
#pragma once

#include <vector>

#include "engine/engine.h"

namespace oddity {

/// Encodes, decodes, reconstructs and scores random images, and makes one training step, whose
/// gradients are compared with central differences of the loss. What the engine says it computes in
/// sets the tolerances. Always the same numbers. Throws what the engine throws.
std::vector<SelfTestResult> selftest_network(Engine& engine, const Architecture& architecture);

}  // namespace oddity
