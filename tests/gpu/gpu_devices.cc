// The CUDA engine on a real GPU, by the plugin, for the tests of all engines. TF32 has tolerances
// and tests of its own: tf32_test.cc.
#include "engine/engine_test.h"

namespace oddity::test {

std::vector<std::string> device_names() { return {"cuda_fp32"}; }
std::vector<std::string> engine_names() { return device_names(); }

std::unique_ptr<Engine> EngineTest::engine(const EngineOptions& options) {
  EngineOptions chosen = options;
  chosen.precision = Precision::fp32;
  return make_engine("cuda", chosen);
}

}  // namespace oddity::test
