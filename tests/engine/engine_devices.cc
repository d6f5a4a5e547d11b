// The engines that these tests can have here: the CPU engine, on every instruction set.
#include <utility>

#include "core/error.h"
#include "engine/cpu/cpu_engine.h"
#include "engine/engine_test.h"

namespace oddity::test {
namespace {

// The CPU engine takes the best instruction set by itself; the others must be as right.
constexpr std::pair<const char*, cpu::Simd> kInstructionSets[] = {
    {"cpu_avx2", cpu::Simd::avx2},
    {"cpu_baseline", cpu::Simd::baseline},
};

bool has(cpu::Simd simd) {
  try {
    cpu::kernels(simd);
    return true;
  } catch (const DeviceError&) {
    return false;
  }
}

}  // namespace

std::vector<std::string> device_names() { return {"cpu"}; }

std::vector<std::string> engine_names() {
  std::vector<std::string> names = device_names();
  for (const auto& [name, simd] : kInstructionSets) {
    if (has(simd)) names.push_back(name);
  }
  return names;
}

std::unique_ptr<Engine> EngineTest::engine(const EngineOptions& options) {
  for (const auto& [name, simd] : kInstructionSets) {
    if (GetParam() == name) return cpu::make_cpu_engine(options, simd);
  }
  return make_engine(GetParam(), options);
}

}  // namespace oddity::test
