// oddity bench --plan: what the CUDA engine would launch, without a GPU.
#pragma once

#include <cstdint>

#include "console.h"
#include "engine/cards.h"
#include "model/architecture.h"

namespace oddity {

/// Prints the launches of a training step of `images` and of scoring, and what `card` would take
/// for them at least. Throws DeviceError where there is no CUDA engine to ask.
void print_plan(const Console& console, const Architecture& architecture, int64_t images,
                const Card& card, bool as_json);

}  // namespace oddity
