// Which precision which device has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/engine.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr EngineOptions with(Precision precision) {
  EngineOptions options;
  options.precision = precision;
  return options;
}

TEST(MakeEnginePrecisionTest, TheCpuHasFp32Alone) {
  EXPECT_EQ(make_engine("cpu", with(Precision::fp32))->info().name, "cpu");
  EXPECT_THAT([] { make_engine("cpu", with(Precision::tf32)); },
              ThrowsMessage<ArgumentError>(
                  AllOf(HasSubstr("tf32"), HasSubstr("fp32"), HasSubstr("--device cuda"))));
}

TEST(MakeEnginePrecisionTest, AutoWithoutCudaSaysWhyThereIsNoTf32) {
  if (why_no_cuda().empty()) GTEST_SKIP() << "this machine has CUDA";
  EXPECT_EQ(make_engine("auto", with(Precision::fp32))->info().name, "cpu");
  EXPECT_THAT([] { make_engine("auto", with(Precision::tf32)); },
              ThrowsMessage<DeviceError>(AllOf(HasSubstr("tf32"), HasSubstr(why_no_cuda()))));
  // The device is what is missing, whatever the precision.
  EXPECT_THAT([] { make_engine("cuda", with(Precision::tf32)); },
              ThrowsMessage<DeviceError>(HasSubstr(why_no_cuda())));
}

}  // namespace
}  // namespace oddity::test
