#include "report/axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace oddity::test {
namespace {

using testing::ElementsAre;

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> texts;
  for (const Tick& tick : axis.ticks) texts.push_back(tick.label);
  return texts;
}

TEST(EpochAxis, HasTicksAtWholeEpochs) {
  EXPECT_THAT(labels(epoch_axis(1)), ElementsAre("1"));
  EXPECT_THAT(labels(epoch_axis(2)), ElementsAre("1", "2"));
  EXPECT_THAT(labels(epoch_axis(5)), ElementsAre("1", "2", "3", "4", "5"));
  EXPECT_THAT(labels(epoch_axis(20)),
              ElementsAre("2", "4", "6", "8", "10", "12", "14", "16", "18", "20"));
  EXPECT_THAT(labels(epoch_axis(26)), ElementsAre("5", "10", "15", "20", "25"));
  EXPECT_THAT(labels(epoch_axis(200)),
              ElementsAre("20", "40", "60", "80", "100", "120", "140", "160", "180", "200"));
}

TEST(EpochAxis, HoldsEveryEpochAndFewTicks) {
  for (size_t epochs = 1; epochs <= 3000; ++epochs) {
    const Axis axis = epoch_axis(epochs);
    ASSERT_LT(axis.low, 1);
    ASSERT_GT(axis.high, static_cast<double>(epochs));
    ASSERT_GE(axis.ticks.size(), 1u) << epochs;
    ASSERT_LE(axis.ticks.size(), 11u) << epochs;
    for (const Tick& tick : axis.ticks) ASSERT_EQ(std::stod(tick.label), tick.value) << epochs;
  }
}

TEST(ValueAxis, ChoosesRoundTicks) {
  const Axis axis = value_axis(.00164, .041);
  EXPECT_EQ(axis.scale, Scale::linear);
  EXPECT_THAT(labels(axis), ElementsAre("0.00", "0.01", "0.02", "0.03", "0.04"));
  EXPECT_EQ(axis.multiplier, "");
}

TEST(ValueAxis, WritesAsManyDecimalsAsItNeeds) {
  EXPECT_THAT(labels(value_axis(0, 1)), ElementsAre("0.0", "0.2", "0.4", "0.6", "0.8", "1.0"));
  EXPECT_THAT(labels(value_axis(1, 2.7)),
              ElementsAre("1.00", "1.25", "1.50", "1.75", "2.00", "2.25", "2.50", "2.75"));
  EXPECT_THAT(labels(value_axis(-.8, .8)),
              ElementsAre("-0.75", "-0.50", "-0.25", "0.00", "0.25", "0.50", "0.75"));
}

TEST(ValueAxis, SharesThePowerOfTenOfSmallAndLargeValues) {
  const Axis small = value_axis(1e-5, 4e-5);
  EXPECT_EQ(small.multiplier, "×10⁻⁵");
  EXPECT_THAT(labels(small), ElementsAre("1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0"));
  EXPECT_EQ(value_axis(1e6, 2e6).multiplier, "×10⁶");
}

TEST(ValueAxis, TurnsLogarithmicForWideRanges) {
  const Axis axis = value_axis(.02, 900);
  EXPECT_EQ(axis.scale, Scale::logarithmic);
  EXPECT_THAT(labels(axis), ElementsAre("10⁻¹", "10⁰", "10¹", "10²", "10³"));
  EXPECT_NEAR(axis.position(1), std::log(1 / axis.low) / std::log(axis.high / axis.low), 1e-15);
  EXPECT_EQ(value_axis(0, 900).scale, Scale::linear) << "zero has no logarithm";
}

TEST(ValueAxis, HoldsTheLargestAndTheSmallest) {
  for (const double smallest : {std::numeric_limits<double>::min(), 0.0, 1.0, -kLargestOnAxis}) {
    const Axis axis = value_axis(smallest, kLargestOnAxis);
    EXPECT_GE(axis.position(smallest), 0) << smallest;
    EXPECT_LT(axis.position(smallest), 0.1) << smallest;
    EXPECT_GT(axis.position(kLargestOnAxis), 0.9) << smallest;
    EXPECT_LE(axis.position(kLargestOnAxis), 1) << smallest;
    EXPECT_GE(axis.ticks.size(), 3u) << smallest;
    EXPECT_LE(axis.ticks.size(), 10u) << smallest;
  }
}

TEST(ValueAxis, GivesASingleValueARange) {
  for (const double value : {0.0, 0.25, 1e-30, 1e30}) {
    const Axis axis = value_axis(value, value);
    EXPECT_LT(axis.low, value);
    EXPECT_GT(axis.high, value);
    EXPECT_NEAR(axis.position(value), 0.5, 1e-9);
    EXPECT_GE(axis.ticks.size(), 2u) << value;
  }
}

TEST(ValueAxis, IsLegibleForAnyRange) {
  constexpr unsigned kSeed = 3;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  std::uniform_real_distribution<double> exponent(-30, 30), fraction(0, 1);
  for (int i = 0; i < 20000; ++i) {
    const double largest = std::pow(10, exponent(random));
    const double smallest = largest * fraction(random);
    const Axis axis = value_axis(smallest, largest);
    const testing::Message range = testing::Message() << smallest << " … " << largest;
    ASSERT_GT(axis.position(smallest), 0.02) << range;
    ASSERT_LT(axis.position(largest), 0.98) << range;
    ASSERT_GE(axis.ticks.size(), 2u) << range;
    ASSERT_LE(axis.ticks.size(), 9u) << range;
    for (size_t k = 0; k < axis.ticks.size(); ++k) {
      ASSERT_GE(axis.position(axis.ticks[k].value), -1e-12) << range;
      ASSERT_LE(axis.position(axis.ticks[k].value), 1 + 1e-12) << range;
      if (k > 0) {
        ASSERT_NE(axis.ticks[k].label, axis.ticks[k - 1].label) << range;
      }
    }
  }
}

}  // namespace
}  // namespace oddity::test
