// The plugin's entry point: everything else in it is hidden.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/error.h"
#include "engine/cuda/cuda_engine.h"
#include "engine/cuda/library_planner.h"
#include "engine/cuda/report_launches.h"
#include "engine/cuda_plugin.h"

namespace oddity::cuda {
namespace {

/// tf32 by the libraries where they are found; where nobody asked for it the kernels step in and
/// info() says why.
std::unique_ptr<Planner> best_planner(int ordinal) {
  try {
    return make_library_planner(ordinal);
  } catch (const DeviceError& missing) {
    return make_kernel_planner(missing.what());
  }
}

std::unique_ptr<Engine> make_engine(int ordinal, const EngineOptions& options) {
  CudaEngineOptions chosen{
      .ordinal = ordinal,
      .max_batch = static_cast<int64_t>(std::min<size_t>(options.max_batch, 1 << 20)),
      .scores = options.precision};
  switch (options.precision) {
    case Precision::automatic:
    case Precision::fp16:
      chosen.make_planner = [ordinal] { return best_planner(ordinal); };
      break;
    case Precision::tf32:
      chosen.make_planner = [ordinal] { return make_library_planner(ordinal); };
      break;
    case Precision::fp32:
      break;
  }
  return make_cuda_engine(chosen);
}

std::string libraries() {
  int runtime = 0;
  int driver = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  std::string text = fmt::format("CUDA {} (the driver is for {})", version_text(runtime),
                                 driver > 0 ? version_text(driver) : "none");
  try {
    return text + ", " + library_versions();
  } catch (const DeviceError& missing) {
    return text + "; " + missing.what();
  }
}

constexpr CudaPlugin kPlugin = {.version = ODDITY_VERSION,
                                .why_not = why_not_usable,
                                .make_engine = make_engine,
                                .libraries = libraries,
                                .report_launches = report_launches};

}  // namespace
}  // namespace oddity::cuda

extern "C" __attribute__((visibility("default"))) const oddity::CudaPlugin* oddity_cuda_plugin() {
  return &oddity::cuda::kPlugin;
}
