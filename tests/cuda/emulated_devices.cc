// The CUDA engine on the emulator, for the tests of all engines: with the kernels throughout, and
// with what libraries compute done by a double. A pass here is not a pass on a GPU.
#include "cuda/emulated_devices.h"

#include "cuda/reference_planner.h"

namespace oddity::test {

cuda::CudaEngineOptions emulated(const std::string& name) {
  cuda::CudaEngineOptions options;
  // Layer by layer: the fused scorer has tests of its own.
  options.scores = Precision::tf32;
  if (name == "emulated_libraries") {
    options.make_planner = [] { return cuda::make_reference_planner(); };
  }
  return options;
}

// The double computes in plain float64 loops: whole data sets would take it minutes.
std::vector<std::string> device_names() { return {"emulated_kernels"}; }
std::vector<std::string> engine_names() { return {"emulated_kernels", "emulated_libraries"}; }

std::unique_ptr<Engine> EngineTest::engine(const EngineOptions& options) {
  cuda::CudaEngineOptions chosen = emulated(GetParam());
  chosen.max_batch = static_cast<int64_t>(options.max_batch);
  return cuda::make_cuda_engine(chosen);
}

}  // namespace oddity::test
