// The engines that these tests can have here: the CPU engine, on every instruction set.
#include "engine/cpu/cpu_engine.h"
#include "engine/engine_test.h"
#include "engine/instruction_sets.h"

namespace oddity::test {
namespace {

// The CPU engine takes the best instruction set by itself; the others must be as right.
std::string engine_name(const InstructionSet& set) {
  return set.simd == cpu::Simd::best ? "cpu" : "cpu_" + set.name;
}

}  // namespace

std::vector<std::string> device_names() { return {"cpu"}; }

std::vector<std::string> engine_names() {
  std::vector<std::string> names;
  for (const InstructionSet& set : instruction_sets()) names.push_back(engine_name(set));
  return names;
}

std::unique_ptr<Engine> EngineTest::engine(const EngineOptions& options) {
  for (const InstructionSet& set : instruction_sets()) {
    if (set.simd != cpu::Simd::best && GetParam() == engine_name(set)) {
      return cpu::make_cpu_engine(options, set.simd);
    }
  }
  return make_engine(GetParam(), options);
}

}  // namespace oddity::test
