#include "engine/launch_estimate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace oddity {
namespace {

// 10 multiprocessors, 1 TFLOP/s, 100 GB/s, an L2 of 1 MB.
constexpr Card kCard = {.name = "card",
                        .title = "Card",
                        .limits = {10, 0},
                        .fp32 = 1e12,
                        .tensor = 4e12,
                        .memory = 1e11,
                        .l2 = 1000000,
                        .source = ""};

PlannedLaunch launch(int64_t blocks, int64_t bytes, int64_t flop, std::vector<size_t> after = {}) {
  return {.name = "",
          .kernel = "",
          .grid = {blocks, 1, 1},
          .block = {32, 1, 1},
          .shared = 0,
          .bytes_read = bytes / 2,
          .bytes_written = bytes - bytes / 2,
          .flop = flop,
          .after = std::move(after)};
}

double seconds(const PlannedLaunch& planned) {
  return launch_seconds(planned, kCard, kCard.fp32, kCard.memory);
}

TEST(LaunchEstimateTest, ALaunchTakesTheLongestOfThree) {
  EXPECT_DOUBLE_EQ(seconds(launch(10, 0, 0)), kLaunchSeconds);
  EXPECT_DOUBLE_EQ(seconds(launch(10, 0, 50'000'000)), 50e-6);
  EXPECT_DOUBLE_EQ(seconds(launch(99, 0, 50'000'000)), 50e-6);
  EXPECT_DOUBLE_EQ(seconds(launch(5, 0, 50'000'000)), 100e-6);  // half the card has no block
  EXPECT_DOUBLE_EQ(seconds(launch(10, 7'000'000, 50'000'000)), 70e-6);
}

TEST(LaunchEstimateTest, AStepThatFitsIntoL2HasItsBandwidth) {
  EXPECT_DOUBLE_EQ(bandwidth(kCard, 1000001), 1e11);
  EXPECT_DOUBLE_EQ(bandwidth(kCard, 1000000), kL2Bandwidth * 1e11);
}

TEST(LaunchEstimateTest, AStepTakesItsLongestChainOrAllItsWork) {
  PlannedLaunches planned;
  planned.memory = 2000000;
  planned.launches = {launch(10, 0, 10'000'000), launch(10, 0, 30'000'000, {0}),
                      launch(10, 0, 20'000'000, {0}), launch(10, 0, 5'000'000, {1, 2})};
  const LaunchEstimate estimated = estimate(planned, kCard);
  EXPECT_THAT(estimated.launches,
              testing::ElementsAre(testing::DoubleEq(10e-6), testing::DoubleEq(30e-6),
                                   testing::DoubleEq(20e-6), testing::DoubleEq(5e-6)));
  EXPECT_DOUBLE_EQ(estimated.chain, 45e-6);
  EXPECT_DOUBLE_EQ(estimated.work, 65e-6);
  EXPECT_DOUBLE_EQ(estimated.seconds(), 65e-6);
}

TEST(LaunchEstimateTest, AScorerIsBoundByItsProductsOrItsImages) {
  PlannedScorer scorer{.precision = Precision::fp16, .way = "", .images = 1000, .launch = {}};
  scorer.launch = launch(10, 800'000, 4'000'000'000);
  EXPECT_DOUBLE_EQ(most_images_per_second(scorer, kCard), 1e6);
  scorer.precision = Precision::fp32;
  EXPECT_DOUBLE_EQ(most_images_per_second(scorer, kCard), 0.25e6);
  scorer.launch = launch(10, 800'000, 4);
  EXPECT_DOUBLE_EQ(most_images_per_second(scorer, kCard), 1.25e8);
}

TEST(CardsTest, EachHasItsFigures) {
  for (const Card& card : cards()) {
    SCOPED_TRACE(card.name);
    EXPECT_EQ(&card_named(card.name), &card);
    EXPECT_GT(card.tensor, card.fp32);
    EXPECT_GT(card.memory, 1e11);
    EXPECT_GE(card.l2, 4 << 20);
    EXPECT_GE(card.limits.multiprocessors, 40);
    EXPECT_GE(card.limits.shared, size_t{64} << 10);
    EXPECT_FALSE(card.source.empty());
  }
  EXPECT_THROW(card_named("voodoo"), ArgumentError);
}

}  // namespace
}  // namespace oddity
