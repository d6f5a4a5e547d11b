// What `oddity bench --plan` is told.
#include "engine/cuda/report_launches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/golden_cases.h"

namespace oddity::cuda {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr CardLimits kCard{.multiprocessors = 132, .shared = size_t{227} << 10};

const PlannedLaunch& launch_of(const LaunchReport& report, std::string_view name) {
  const auto found = std::find_if(report.step.begin(), report.step.end(),
                                  [&](const PlannedLaunch& launch) { return launch.name == name; });
  if (found == report.step.end()) throw std::out_of_range(std::string(name));
  return *found;
}

TEST(ReportLaunchesTest, TheStepIsTheGraphs) {
  const LaunchReport report = report_launches(test::mnist_architecture(), 32, kCard);
  EXPECT_EQ(report.step.size(), 20u);
  EXPECT_EQ(report.critical_path, 15u);
  EXPECT_EQ(report.steps_a_graph, 8);
  for (const PlannedLaunch& launch : report.step) {
    SCOPED_TRACE(launch.name);
    EXPECT_THAT(launch.kernel, HasSubstr(".cu:"));
    EXPECT_GT(launch.blocks(), 0);
    EXPECT_GE(launch.block[0] * launch.block[1], 32);
    EXPECT_GT(launch.bytes_read, 0);
    EXPECT_GT(launch.bytes_written, 0);
    EXPECT_TRUE(std::is_sorted(launch.after.begin(), launch.after.end()));
  }
  EXPECT_TRUE(report.step.front().after.empty());
  EXPECT_FALSE(report.step.back().after.empty());
}

// Two a multiply-add; a tap that lies outside is no work.
TEST(ReportLaunchesTest, FlopOfTheLayers) {
  const LaunchReport report = report_launches(test::mnist_architecture(), 32, kCard);
  // 14 outputs a side with three taps each, but the last with two.
  EXPECT_EQ(launch_of(report, "encoder.conv1 forward").flop, 2 * 32 * (41 * 41) * 32);
  EXPECT_EQ(launch_of(report, "encoder.dense1 forward").flop, 2 * 32 * 3136 * 16);
  // Stride 1: 28 outputs with three taps, but the first and the last with two.
  EXPECT_EQ(launch_of(report, "decoder.convT3 forward, loss").flop, 2 * 32 * (82 * 82) * 32);
  EXPECT_EQ(launch_of(report, "update").flop, 0);
  int64_t flop = 0;
  for (const PlannedLaunch& launch : report.step) flop += launch.flop;
  // 37.51 MFLOP an image (every layer three times, but no gradient of pixels).
  EXPECT_NEAR(static_cast<double>(flop) / 32, 37.51e6, 0.01e6);
}

TEST(ReportLaunchesTest, BytesOfTheFirstAndTheLastLaunch) {
  const LaunchReport report = report_launches(test::mnist_architecture(), 32, kCard);
  // Pixels as bytes, their positions, the weights and the bias, the step counter; the activation,
  // and of each of 98 blocks of 64 rows two moments a channel and the number of rows.
  const PlannedLaunch& first = launch_of(report, "encoder.conv1 forward");
  EXPECT_EQ(first.bytes_read, 32 * 784 + 32 * 4 + 288 * 4 + 32 * 4 + 8);
  EXPECT_EQ(first.bytes_written, 32 * 14 * 14 * 32 * 4 + 98 * (2 * 32 + 1) * 4);
  // 178,385 weights and two moments of each are read and written.
  EXPECT_GE(launch_of(report, "update").bytes_written, 3 * 178385 * 4);
}

TEST(ReportLaunchesTest, TheScorersTakeABytesAPixelAndLeaveAFloat) {
  const LaunchReport report = report_launches(test::mnist_architecture(), 32, kCard);
  ASSERT_EQ(report.scorers.size(), 2u);
  for (const PlannedScorer& scorer : report.scorers) {
    EXPECT_THAT(scorer.launch.kernel, StartsWith("score_fp"));
    EXPECT_EQ(scorer.launch.bytes(), scorer.images * (784 + 4));
    EXPECT_LE(scorer.launch.bytes() / scorer.images, 800);
  }
  EXPECT_EQ(report.scorers[0].precision, Precision::fp16);
  EXPECT_EQ(report.scorers[0].way, "large");
  EXPECT_EQ(report.scorers[0].launch.grid[0], 132);
  EXPECT_EQ(report.scorers[1].precision, Precision::fp32);
  // On a small card the small way.
  EXPECT_EQ(report_launches(test::mnist_architecture(), 32, {40, size_t{64} << 10}).scorers[0].way,
            "small");
}

TEST(ReportLaunchesTest, OtherNetworksAreScoredLayerByLayer) {
  const LaunchReport report = report_launches(conv_autoencoder(64, 64, 3, {8, 16}, 4), 5, kCard);
  EXPECT_TRUE(report.scorers.empty());
  EXPECT_THAT(report.scoring, HasSubstr("28x28x1"));
  EXPECT_EQ(report.step.size(), 20u);
  EXPECT_EQ(report.images, 5);
  // A map of more channels than fit shared memory: no fused step either.
  EXPECT_TRUE(report_launches(conv_autoencoder(4, 4, 1, {2048}, 2), 1, kCard).step.empty());
}

}  // namespace
}  // namespace oddity::cuda
