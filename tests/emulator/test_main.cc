// main() of the tests that run on the emulator: a test that leaves a finding, an error of the
// device or anything undestroyed has failed.
#include <gtest/gtest.h>

#include "emulator/emulator.h"

namespace {

class DeviceIsClean : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { oddity::emulator::reset(); }

  void OnTestEnd(const testing::TestInfo&) override {
    cudaDeviceSynchronize();  // an error of it is among the findings
    for (const oddity::emulator::Report& report : oddity::emulator::reports()) {
      ADD_FAILURE() << report.text;
    }
    EXPECT_EQ(oddity::emulator::leaks(), "");
    oddity::emulator::reset();
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // the emulator has threads
  // Before the default printer, which ends the test's output at OnTestEnd.
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  auto* const printer = listeners.Release(listeners.default_result_printer());
  listeners.Append(new DeviceIsClean);
  listeners.Append(printer);
  return RUN_ALL_TESTS();
}
