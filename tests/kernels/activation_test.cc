#include "activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"

namespace oddity::kernels {
namespace {

constexpr float kSlope = 0.2f;

// Nothing here is rounded more than once, so results are compared for equality.
float leaky(float x, float value) { return x > 0 ? value : kSlope * value; }

std::vector<float> expected_forward(const std::vector<float>& x) {
  std::vector<float> y;
  for (const float value : x) y.push_back(leaky(value, value));
  return y;
}

std::vector<float> expected_backward(const std::vector<float>& y, const std::vector<float>& dy) {
  std::vector<float> dx;
  for (size_t i = 0; i < y.size(); ++i) dx.push_back(leaky(y[i], dy[i]));
  return dx;
}

class LeakyReluTest : public testing::TestWithParam<int64_t> {
 protected:
  int64_t n() const { return GetParam(); }
};

// Less than a group of four, whole groups, more than a block.
INSTANTIATE_TEST_SUITE_P(Sizes, LeakyReluTest, testing::Values(1, 3, 4, 31, 33, 257, 1024, 5003));

TEST_P(LeakyReluTest, ForwardAndBackward) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(n(), 0);
  const auto dy = random_values(n(), 1);
  const DeviceArray<float> device_x(x), device_dy(dy);
  DeviceArray<float> y(n()), dx(n());
  for (int i = 0; i < 2; ++i) {
    leaky_relu(nullptr, n(), device_x.data(), kSlope, y.data());
    leaky_relu_backward(nullptr, n(), y.data(), device_dy.data(), kSlope, dx.data());
  }
  EXPECT_EQ(y.download(), expected_forward(x));
  EXPECT_EQ(dx.download(), expected_backward(x, dy));
}

TEST_P(LeakyReluTest, InPlace) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(n(), 0);
  const auto dy = random_values(n(), 1);
  DeviceArray<float> values(x), gradients(dy);
  leaky_relu(nullptr, n(), values.data(), kSlope, values.data());
  leaky_relu_backward(nullptr, n(), values.data(), gradients.data(), kSlope, gradients.data());
  EXPECT_EQ(values.download(), expected_forward(x));
  EXPECT_EQ(gradients.download(), expected_backward(x, dy));
}

TEST_P(LeakyReluTest, PointersBetweenAlignedPlaces) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  auto x = random_values(n() + 1, 0);
  DeviceArray<float> values(x);
  leaky_relu(nullptr, n(), values.data() + 1, kSlope, values.data() + 1);
  leaky_relu_backward(nullptr, n(), values.data() + 1, values.data() + 1, kSlope,
                      values.data() + 1);
  for (size_t i = 1; i < x.size(); ++i) x[i] = leaky(x[i], leaky(x[i], x[i]));
  EXPECT_EQ(values.download(), x);
}

TEST(LeakyRelu, AtZeroTheSlopeHoldsAndNothingIsLost) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x{0.0f, -0.0f, 1e-40f, -1e-40f, kInfinity, -kInfinity, std::nanf("")};
  const DeviceArray<float> device_x(x), ones(std::vector<float>(x.size(), 1.0f));
  const auto n = std::ssize(x);
  DeviceArray<float> y(n), dx(n);
  leaky_relu(nullptr, n, device_x.data(), kSlope, y.data());
  leaky_relu_backward(nullptr, n, device_x.data(), ones.data(), kSlope, dx.data());
  const auto forward = y.download();
  for (size_t i = 0; i + 1 < x.size(); ++i) EXPECT_EQ(forward[i], leaky(x[i], x[i])) << i;
  EXPECT_TRUE(std::isnan(forward.back()));
  EXPECT_EQ(dx.download(), (std::vector<float>{kSlope, kSlope, 1, kSlope, 1, kSlope, kSlope}));
}

}  // namespace
}  // namespace oddity::kernels
