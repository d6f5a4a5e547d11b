#include "adam.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "reference/adam.h"
#include "support/near.h"

namespace oddity::kernels {
namespace {

// The rates of an epoch that begins after `before` steps; lr differs from step to step.
double learning_rate(int64_t step) { return 1e-3 / (1 + 0.3 * static_cast<double>(step)); }

std::vector<float> corrected_rates(int64_t steps) {
  std::vector<float> rates;
  for (int64_t i = 0; i < steps; ++i) {
    const auto t = static_cast<double>(i + 1);
    rates.push_back(static_cast<float>(learning_rate(i) * std::sqrt(1 - std::pow(0.999, t)) /
                                       (1 - std::pow(0.9, t))));
  }
  return rates;
}

class AdamTest : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, AdamTest, testing::Values(1, 3, 4, 31, 33, 257, 5003));

// Ten steps, each moved on by finish_step as in training. Weights of up to 1 are rounded once a
// step, by at most 2⁻²⁵; the step itself, at most .001, is exact to some 1e-6 of it.
TEST_P(AdamTest, FollowsTheReferenceThroughTenSteps) {
  constexpr int64_t kSteps = 10;
  const int64_t n = GetParam();
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const std::vector<float> zeros(static_cast<size_t>(n));
  const auto start = random_values(n, 0);
  DeviceArray<float> weights(start), first(zeros), second(zeros);
  DeviceArray<EpochState> state(std::vector<EpochState>{{0}});
  const DeviceArray<float> rates(corrected_rates(kSteps)), error(std::vector<float>{1});
  DeviceArray<double> losses(kSteps);
  DeviceArray<uint64_t> steps_done(1);

  reference::Adam adam_reference;
  reference::Parameters expected{{"w", doubles(start)}};
  for (int64_t step = 0; step < kSteps; ++step) {
    auto gradients = random_values(n, 1 + static_cast<uint32_t>(step));
    // Of the sizes that gradients have; among them the square of one, below float32's range.
    for (size_t i = 0; i < gradients.size(); ++i) gradients[i] *= i % 3 == 0 ? 1e-3f : 1e-25f;
    const DeviceArray<float> device_gradients(gradients);
    adam(nullptr, n, device_gradients.data(), rates.data(), state.data(), weights.data(),
         first.data(), second.data());
    finish_step(nullptr, 1, error.data(), state.data(), {losses.data(), steps_done.data()});
    adam_reference.update(expected, {{"w", doubles(gradients)}}, learning_rate(step));
  }
  EXPECT_TRUE(test::all_near(weights.download(), expected.at("w"), {.absolute = 5e-7}));
  EXPECT_TRUE(test::all_near(first.download(), adam_reference.first().at("w"),
                             {.absolute = 1e-30, .relative = 0, .of_largest = 5e-7}));
  EXPECT_TRUE(test::all_near(second.download(), adam_reference.second().at("w"),
                             {.absolute = 1e-40, .relative = 2e-6}));
}

TEST_P(AdamTest, PointersBetweenAlignedPlacesGiveTheSameBits) {
  const int64_t n = GetParam();
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto values = random_values(n + 1, 0);
  const std::vector<float> own(values.begin() + 1, values.end());
  std::vector<float> squares = values;
  for (float& value : squares) value *= value;
  const std::vector<float> own_squares(squares.begin() + 1, squares.end());
  const DeviceArray<float> rates(corrected_rates(1));
  const DeviceArray<EpochState> state(std::vector<EpochState>{{0}});
  const DeviceArray<float> gradients(own), shifted_gradients(values);
  DeviceArray<float> weights(own), first(own), second(own_squares);
  DeviceArray<float> shifted_weights(values), shifted_first(values), shifted_second(squares);
  adam(nullptr, n, gradients.data(), rates.data(), state.data(), weights.data(), first.data(),
       second.data());
  adam(nullptr, n, shifted_gradients.data() + 1, rates.data(), state.data(),
       shifted_weights.data() + 1, shifted_first.data() + 1, shifted_second.data() + 1);
  const auto expect_shifted = [](const DeviceArray<float>& plain, const DeviceArray<float>& shifted,
                                 float before) {
    auto expected = plain.download();
    expected.insert(expected.begin(), before);
    EXPECT_EQ(shifted.download(), expected);
  };
  expect_shifted(weights, shifted_weights, values.front());
  expect_shifted(first, shifted_first, values.front());
  expect_shifted(second, shifted_second, squares.front());
}

TEST(Adam, WithoutAGradientNothingMoves) {
  const std::vector<float> zeros(5);
  const std::vector<float> start{1, -2, 0, 1e-30f, 5};
  const DeviceArray<float> gradients(zeros), rates(std::vector<float>{1});
  const DeviceArray<EpochState> state(std::vector<EpochState>{{0}});
  DeviceArray<float> weights(start), first(zeros), second(zeros);
  adam(nullptr, 5, gradients.data(), rates.data(), state.data(), weights.data(), first.data(),
       second.data());
  EXPECT_EQ(weights.download(), start);
  EXPECT_EQ(first.download(), zeros);
  EXPECT_EQ(second.download(), zeros);
}

TEST(Adam, NanGradientReachesItsOwnWeightOnly) {
  const DeviceArray<float> gradients(std::vector<float>{0, std::nanf(""), 0, 0, 0});
  const DeviceArray<float> rates(std::vector<float>{1});
  const DeviceArray<EpochState> state(std::vector<EpochState>{{0}});
  DeviceArray<float> weights(std::vector<float>(5, 1.0f)), first(std::vector<float>(5)),
      second(std::vector<float>(5));
  adam(nullptr, 5, gradients.data(), rates.data(), state.data(), weights.data(), first.data(),
       second.data());
  const auto result = weights.download();
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(std::isnan(result[i]), i == 1) << i;
}

class FinishStepTest : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Images, FinishStepTest, testing::Values(1, 7, 31, 32, 33, 257, 4096));

TEST_P(FinishStepTest, WritesTheLossThenMovesOn) {
  const int64_t images = GetParam();
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  DeviceArray<EpochState> state(std::vector<EpochState>{{1}});
  DeviceArray<double> losses(std::vector<double>(4, -1.0));
  DeviceArray<uint64_t> steps_done(std::vector<uint64_t>{1});
  for (uint64_t step = 1; step < 3; ++step) {
    const auto errors = random_values(images, static_cast<uint32_t>(step));
    double in_order = 0;
    for (const float error : errors) in_order += static_cast<double>(error);
    const DeviceArray<float> device_errors(errors);
    finish_step(nullptr, images, device_errors.data(), state.data(),
                {losses.data(), steps_done.data()});
    const auto written = losses.download();
    if (images <= 32) {
      EXPECT_EQ(written[step], in_order);
    } else {
      // float64 in another order: a rounding of 2⁻⁵³ of less than sqrt(4096) a number.
      EXPECT_NEAR(written[step], in_order, 0x1p-53 * 64 * static_cast<double>(images));
    }
    EXPECT_EQ(written[step + 1], -1.0);
    EXPECT_EQ(steps_done.download().front(), step + 1);
    EXPECT_EQ(state.download().front().step, static_cast<int64_t>(step + 1));
  }
  EXPECT_EQ(losses.download().front(), -1.0);
}

}  // namespace
}  // namespace oddity::kernels
