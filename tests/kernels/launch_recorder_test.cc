#include "launch_recorder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "activation.h"
#include "kernels/device_array.h"

namespace oddity::kernels {
namespace {

TEST(LaunchRecorder, KeepsWhatItsThreadWouldLaunch) {
  const DeviceArray<float> x(std::vector<float>(300, -1.0f));
  DeviceArray<float> y(300);
  const auto launch = [&] { leaky_relu(nullptr, 300, x.data(), 0.5f, y.data()); };
  {
    const LaunchRecorder recorder;
    launch();
    {
      const LaunchRecorder inner;
      launch();
      launch();
      EXPECT_EQ(inner.records().size(), 2u);
    }
    launch();
    ASSERT_EQ(recorder.records().size(), 2u);
    const LaunchRecord& record = recorder.records().front();
    EXPECT_GE(4 * record.grid.x * record.block.x, 300u);
    EXPECT_EQ(record.shared, 0u);
    EXPECT_TRUE(std::string_view(record.file).ends_with("activation.cu")) << record.file;
    EXPECT_TRUE(std::isnan(y.download().front()));
  }
  launch();
  EXPECT_EQ(y.download(), std::vector<float>(300, -0.5f));
}

}  // namespace
}  // namespace oddity::kernels
