// Whole networks of an engine against float64: what `oddity selftest` adds to the single operations
// that an engine tests itself (Engine::selftest).
#pragma once

#include <vector>

#include "engine/engine.h"

namespace oddity {

/// Encodes, decodes, reconstructs and scores random images, and makes one training step, whose
/// gradients are compared with central differences of the loss. `precision` is what the engine
/// computes in; it sets the tolerances. Always the same numbers. Throws what the engine throws.
std::vector<SelfTestResult> selftest_network(Engine& engine, const Architecture& architecture,
                                             Precision precision);

}  // namespace oddity
