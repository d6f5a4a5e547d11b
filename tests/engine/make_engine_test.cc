// What make_engine makes of names and options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/engine.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

/// An error on one line that holds every part.
template <typename Kind, typename... Parts>
auto throws(const Parts&... parts) {
  return ThrowsMessage<Kind>(AllOf(HasSubstr(parts)..., Not(HasSubstr("\n"))));
}

TEST(MakeEngineTest, NamesOfDevices) {
  EXPECT_EQ(make_engine("cpu")->info().name, "cpu");
  for (const char* name : {"", "gpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda:1x"}) {
    EXPECT_THAT([&] { make_engine(name); }, throws<ArgumentError>("device", name));
  }
}

TEST(MakeEngineTest, AutoIsWhatThereIs) {
  const std::string device = make_engine("auto")->info().name;
  EXPECT_EQ(device, why_no_cuda().empty() ? "cuda:0" : "cpu");
}

TEST(MakeEngineTest, CudaIsRefusedWithItsReason) {
  if (why_no_cuda().empty()) {
    EXPECT_EQ(make_engine("cuda")->info().name, "cuda:0");
    return;
  }
  EXPECT_THAT([] { make_engine("cuda"); }, throws<DeviceError>(why_no_cuda()));
  EXPECT_THAT([] { make_engine("cuda:1"); }, throws<DeviceError>(why_no_cuda()));
}

TEST(MakeEngineTest, ImpossibleOptions) {
  EXPECT_THAT([] { make_engine("cpu", {.threads = -1}); }, throws<ArgumentError>("threads", "-1"));
  EXPECT_THAT([] { make_engine("cpu", {.max_batch = 0}); },
              throws<ArgumentError>("max_batch", "0"));
}

TEST(MakeEngineTest, ThreadsAreSaid) {
  EXPECT_THAT(make_engine("cpu", {.threads = 3})->info().details, HasSubstr("3 threads"));
  EXPECT_THAT(make_engine("cpu", {.threads = 1})->info().details, HasSubstr("1 thread"));
}

}  // namespace
}  // namespace oddity::test
