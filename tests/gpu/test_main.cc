// main() of the tests that run on a GPU: where there is none, every one of them is skipped and says
// why.
#include <gtest/gtest.h>

#include "engine/engine.h"

namespace {

class GpuEnvironment final : public testing::Environment {
  void SetUp() override {
    const std::string why_not = oddity::why_no_cuda();
    if (!why_not.empty()) {
      GTEST_SKIP() << "[  SKIPPED ] no GPU to test on: " << why_not;  // as CTest looks for it
    }
    std::printf("device: %s\n", oddity::make_engine("cuda")->info().details.c_str());
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new GpuEnvironment);
  return RUN_ALL_TESTS();
}
