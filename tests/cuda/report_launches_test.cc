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

const PlannedLaunch& launch_of(const PlannedLaunches& planned, std::string_view name) {
  const auto found = std::find_if(planned.launches.begin(), planned.launches.end(),
                                  [&](const PlannedLaunch& launch) { return launch.name == name; });
  if (found == planned.launches.end()) throw std::out_of_range(std::string(name));
  return *found;
}

TEST(ReportLaunchesTest, TheStepIsTheGraphs) {
  const LaunchReport report = report_launches(test::mnist_architecture(), 32, kCard);
  EXPECT_EQ(report.step.launches.size(), 20u);
  EXPECT_EQ(report.step.critical_path, 15u);
  EXPECT_EQ(report.steps_a_graph, 8);
  for (const PlannedLaunch& launch : report.step.launches) {
    SCOPED_TRACE(launch.name);
    EXPECT_THAT(launch.kernel, HasSubstr(".cu:"));
    EXPECT_GT(launch.blocks(), 0);
    EXPECT_GE(launch.block[0] * launch.block[1], 32);
    EXPECT_GT(launch.bytes_read, 0);
    EXPECT_GT(launch.bytes_written, 0);
    EXPECT_TRUE(std::is_sorted(launch.after.begin(), launch.after.end()));
  }
  EXPECT_TRUE(report.step.launches.front().after.empty());
  EXPECT_FALSE(report.step.launches.back().after.empty());
}

// Two a multiply-add; a tap that lies outside is no work.
TEST(ReportLaunchesTest, FlopOfTheLayers) {
  const LaunchReport report = report_launches(test::mnist_architecture(), 32, kCard);
  // 14 outputs a side with three taps each, but the last with two.
  EXPECT_EQ(launch_of(report.step, "encoder.conv1 forward").flop, 2 * 32 * (41 * 41) * 32);
  EXPECT_EQ(launch_of(report.step, "encoder.dense1 forward").flop, 2 * 32 * 3136 * 16);
  // Stride 1: 28 outputs with three taps, but the first and the last with two.
  EXPECT_EQ(launch_of(report.step, "decoder.convT3 forward, loss").flop, 2 * 32 * (82 * 82) * 32);
  EXPECT_EQ(launch_of(report.step, "update").flop, 0);
  int64_t flop = 0;
  for (const PlannedLaunch& launch : report.step.launches) flop += launch.flop;
  // 37.51 MFLOP an image (every layer three times, but no gradient of pixels).
  EXPECT_NEAR(static_cast<double>(flop) / 32, 37.51e6, 0.01e6);
}

TEST(ReportLaunchesTest, BytesOfTheFirstAndTheLastLaunch) {
  const LaunchReport report = report_launches(test::mnist_architecture(), 32, kCard);
  // Pixels as bytes, their positions, the weights and the bias, the step counter; the activation,
  // and of each of 98 blocks of 64 rows two moments a channel and the number of rows.
  const PlannedLaunch& first = launch_of(report.step, "encoder.conv1 forward");
  EXPECT_EQ(first.bytes_read, 32 * 784 + 32 * 4 + 288 * 4 + 32 * 4 + 8);
  EXPECT_EQ(first.bytes_written, 32 * 14 * 14 * 32 * 4 + 98 * (2 * 32 + 1) * 4);
  // 178,385 weights and two moments of each are read and written.
  EXPECT_GE(launch_of(report.step, "update").bytes_written, 3 * 178385 * 4);
}

TEST(ReportLaunchesTest, TheScorersTakeABytesAPixelAndLeaveAFloat) {
  const LaunchReport report = report_launches(test::mnist_architecture(), 32, kCard);
  ASSERT_EQ(report.scorers.size(), 2u);
  EXPECT_TRUE(report.scores.launches.empty());
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

TEST(ReportLaunchesTest, OtherNetworksAreScoredByTheLaunchesOfInference) {
  const LaunchReport report = report_launches(conv_autoencoder(64, 64, 3, {8, 16}, 4), 5, kCard);
  EXPECT_TRUE(report.scorers.empty());
  std::vector<std::string> names;
  for (const PlannedLaunch& launch : report.scores.launches) {
    SCOPED_TRACE(launch.name);
    names.push_back(launch.name);
    EXPECT_THAT(launch.kernel, HasSubstr(".cu:"));
    EXPECT_GT(launch.bytes_read, 0);
    EXPECT_GT(launch.bytes_written, 0);
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"encoder.conv1", "encoder.conv2", "encoder.dense1",
                                      "encoder.dense1 sum", "decoder.dense1", "decoder.convT1",
                                      "decoder.convT2 to errors", "sum of errors"}));
  EXPECT_EQ(report.scores.critical_path, names.size());  // each needs what the one before wrote
  EXPECT_EQ(report.scores.images, 1024);
  const PlannedLaunch& first = launch_of(report.scores, "encoder.conv1");
  EXPECT_EQ(first.bytes_read, 1024 * 64 * 64 * 3 + (8 * 9 * 3 + 8) * 4);
  EXPECT_EQ(first.bytes_written, 1024 * 32 * 32 * 8 * 4);
  EXPECT_EQ(first.flop, int64_t{2} * 1024 * (95 * 95) * 3 * 8);
  // The tail has the FLOP of two layers, and writes nothing but errors.
  const PlannedLaunch& tail = launch_of(report.scores, "decoder.convT2 to errors");
  EXPECT_EQ(tail.flop, int64_t{2} * 1024 * (95 * 95 * 8 * 16 + 190 * 190 * 3 * 8));
  EXPECT_LE(tail.bytes_written, 1024 * 32 * 4);
  EXPECT_THAT(report.scoring, HasSubstr("28x28x1"));
  EXPECT_EQ(report.step.launches.size(), 20u);
  EXPECT_EQ(report.step.images, 5);
  // A map of more channels than fit shared memory: nothing is fused.
  const LaunchReport wide = report_launches(conv_autoencoder(4, 4, 1, {2048}, 2), 1, kCard);
  EXPECT_TRUE(wide.step.launches.empty());
  EXPECT_TRUE(wide.scores.launches.empty());
}

}  // namespace
}  // namespace oddity::cuda
