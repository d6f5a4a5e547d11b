// The CUDA engine's own plugin on a machine without a GPU: it can be opened, and says why it cannot
// be used.
#include <dlfcn.h>

#include <nlohmann/json.hpp>

#include "engine/cuda_plugin.h"
#include "plugin/plugin_fixture.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST_F(PluginTest, TheRealOneShowsItsEntryPointAlone) {
  void* const library = ::dlopen(ODDITY_REAL_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << ::dlerror();
  const auto entry = reinterpret_cast<CudaPluginEntry>(::dlsym(library, kCudaPluginEntry));
  ASSERT_NE(entry, nullptr);
  EXPECT_STREQ(entry()->version, ODDITY_VERSION);
  // The CUDA runtime within is its own affair.
  EXPECT_EQ(::dlsym(library, "cudaMalloc"), nullptr);
}

TEST_F(PluginTest, TheRealOneFindsNoDeviceBehindADriverThatIsNone) {
  place_driver();
  place_plugin(ODDITY_REAL_PLUGIN);
  EXPECT_EQ(why_not(), "no NVIDIA driver found");
  write_images();
  const ProgramResult demanded = run_here(train_arguments({"--device", "cuda"}));
  EXPECT_EQ(demanded.exit_code, 6);
  EXPECT_THAT(demanded.err,
              AllOf(HasSubstr("device cuda:0 is not available"), HasSubstr("--device cpu")));
  EXPECT_EQ(run_here(train_arguments()).exit_code, 0);
}

TEST_F(PluginTest, TheRealOneTellsItsLaunchesWithoutADriver) {
  place_plugin(ODDITY_REAL_PLUGIN);
  const ProgramResult result = run_here({"bench", "--plan", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["training_step"]["nodes"].size(), 20u);
  EXPECT_EQ(json["scorers"].size(), 2u);
}

}  // namespace
}  // namespace oddity::test
