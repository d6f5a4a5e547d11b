// The CPU engine, for make_engine and for tests that choose an instruction set.
#pragma once

#include <memory>

#include "engine/cpu/kernels.h"
#include "engine/engine.h"

namespace oddity::cpu {

std::unique_ptr<Engine> make_cpu_engine(const EngineOptions& options, Simd simd = Simd::best);

}  // namespace oddity::cpu
