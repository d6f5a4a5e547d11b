// The plugin's entry point on a device, emulated, whose driver cuDNN does not find: what a machine
// without the libraries does with each precision. Where there is a real driver cuDNN would find it,
// and compute on memory that is not the device's.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "emulator/emulator.h"
#include "engine/cuda_plugin.h"
#include "engine/engine_test.h"

extern "C" const oddity::CudaPlugin* oddity_cuda_plugin();

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

class CudaPluginTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) != nullptr) {
      GTEST_SKIP() << "this machine has a driver";
    }
  }
};

TEST_F(CudaPluginTest, SaysWhatItIs) {
  const CudaPlugin* const plugin = oddity_cuda_plugin();
  EXPECT_STREQ(plugin->version, ODDITY_VERSION);
  EXPECT_EQ(plugin->why_not(0), "");
  EXPECT_THAT(plugin->why_not(1), HasSubstr("there is 1 GPU"));
  EXPECT_THAT(plugin->libraries(), AllOf(HasSubstr("CUDA 1"), Not(HasSubstr("\n"))));
}

TEST_F(CudaPluginTest, WithoutTheLibrariesTheKernelsStepInAndSayWhy) {
  const auto engine = oddity_cuda_plugin()->make_engine(0, {});
  const DeviceInfo info = engine->info();
  EXPECT_EQ(info.precision, Precision::fp32);
  EXPECT_THAT(info.details,
              AllOf(HasSubstr("fp32: "), AnyOf(HasSubstr("cuDNN"), HasSubstr("cuBLAS"))));
  const Architecture architecture = conv_autoencoder(4, 4, 1, {3}, 2);
  const auto pixels = random_images<uint8_t>(architecture.image(), 3, /*seed=*/41);
  const auto network = engine->network(architecture, initial_weights(architecture, 41));
  EXPECT_EQ(scores(*network, *engine->upload(pixels.view())).size(), 3u);
}

TEST_F(CudaPluginTest, KernelsThatWereAskedForNeedNoExcuse) {
  const auto engine = oddity_cuda_plugin()->make_engine(0, {.precision = Precision::fp32});
  EXPECT_THAT(engine->info().details, AllOf(HasSubstr("fp32"), Not(HasSubstr("fp32:"))));
}

TEST_F(CudaPluginTest, LibrariesThatWereAskedForAreNeeded) {
  EXPECT_THAT([] { oddity_cuda_plugin()->make_engine(0, {.precision = Precision::tf32}); },
              ThrowsMessage<DeviceError>(
                  AllOf(AnyOf(HasSubstr("cuDNN"), HasSubstr("cuBLAS")), Not(HasSubstr("\n")))));
  EXPECT_EQ(emulator::leaks(), "");
}

}  // namespace
}  // namespace oddity::test
