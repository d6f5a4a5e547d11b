// A plugin left over from another build: nothing of it but its version may be used.
#include <cstdlib>

#include "engine/cuda_plugin.h"

namespace oddity {
namespace {

// Another version may lay the rest out differently: whoever calls any of it dies.
constexpr CudaPlugin kPlugin = {
    "0.0.1",
    [](int) -> std::string { std::abort(); },
    [](int, const EngineOptions&) -> std::unique_ptr<Engine> { std::abort(); },
    []() -> std::string { std::abort(); },
    [](const Architecture&, int64_t, const CardLimits&) -> LaunchReport { std::abort(); },
};

}  // namespace
}  // namespace oddity

extern "C" [[gnu::visibility("default")]] const oddity::CudaPlugin* oddity_cuda_plugin() {
  return &oddity::kPlugin;
}
