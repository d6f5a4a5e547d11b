// Thresholds besides the quantile, against their definitions.
#include "detect/threshold_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/error.h"
#include "support/error_text.h"

namespace oddity::test {
namespace {

constexpr unsigned kSeed = 23;

ScorePass pass_over(const std::vector<float>& scores) {
  return [&scores](const auto& visit) {
    for (const float score : scores) visit(score);
  };
}

std::vector<float> random_scores(size_t count, unsigned seed, double shift = 0) {
  std::mt19937 random(seed);
  std::lognormal_distribution<double> draw(-5 + shift, 0.6);
  std::vector<float> scores(count);
  for (float& score : scores) score = static_cast<float>(draw(random));
  return scores;
}

uint64_t flagged(const std::vector<float>& scores, double threshold) {
  return static_cast<uint64_t>(std::count_if(scores.begin(), scores.end(), [&](float score) {
    return static_cast<double>(score) >= threshold;
  }));
}

TEST(TopK, FlagsAsManyAsAskedFor) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const std::vector<float> scores = random_scores(1000, kSeed);
  for (const uint64_t k : {1, 2, 999, 1000}) {
    EXPECT_EQ(flagged(scores, top_k_threshold(1000, k, pass_over(scores))), k);
  }
  EXPECT_EQ(flagged(scores, top_k_threshold(1000, 5000, pass_over(scores))), 1000u);
  EXPECT_EQ(top_k_threshold(1000, 0, pass_over(scores)), std::numeric_limits<double>::infinity());
}

TEST(TopK, EqualScoresAreFlaggedTogether) {
  const std::vector<float> scores = {1, 3, 2, 3, 3};
  EXPECT_EQ(top_k_threshold(5, 2, pass_over(scores)), 3);
  EXPECT_EQ(flagged(scores, 3), 3u);
}

TEST(TopK, NothingToTakeFrom) {
  EXPECT_THAT(error_text<Error>([] { top_k_threshold(0, 1, pass_over({})); }),
              testing::HasSubstr("no scores"));
}

TEST(Mad, IsItsDefinition) {
  // Median 3, deviations 2 1 0 1 97: their median 1.
  const std::vector<float> scores = {1, 2, 3, 4, 100};
  EXPECT_DOUBLE_EQ(mad_threshold(5, 2, pass_over(scores)), 3 + 2 * 1.482602218505602);
}

TEST(Mad, IsAStandardDeviationOfNormalScores) {
  std::mt19937 random(kSeed);
  std::normal_distribution<double> draw(5, 2);
  std::vector<float> scores(100000);
  for (float& score : scores) score = static_cast<float>(draw(random));
  // The standard error of the estimate is 1.17 · 2 / √100000 = .0074 for each unit of `multiple`,
  // that of the median .008: six of them.
  EXPECT_NEAR(mad_threshold(100000, 3, pass_over(scores)), 5 + 3 * 2, 6 * (3 * 0.0074 + 0.008));
}

/// The p-values and the step-up rule, as they are written down.
std::vector<bool> rejected(const std::vector<float>& scores, const std::vector<float>& calibration,
                           double rate) {
  std::vector<double> p;
  for (const float score : scores) {
    const auto above = std::count_if(calibration.begin(), calibration.end(),
                                     [&](float other) { return other >= score; });
    p.push_back((static_cast<double>(above) + 1) / (static_cast<double>(calibration.size()) + 1));
  }
  std::vector<double> sorted = p;
  std::sort(sorted.begin(), sorted.end());
  const auto m = static_cast<double>(p.size());
  double limit = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] * m <= rate * static_cast<double>(i + 1)) limit = sorted[i];
  }
  std::vector<bool> result;
  for (const double value : p) result.push_back(value <= limit);
  return result;
}

TEST(Conformal, IsTheStepUpProcedure) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (unsigned seed = kSeed; seed < kSeed + 30; ++seed) {
    std::vector<float> scores = random_scores(400, seed);
    const std::vector<float> odd = random_scores(1 + seed % 60, seed + 1000, 3);
    scores.insert(scores.end(), odd.begin(), odd.end());
    std::vector<float> calibration = random_scores(20 + seed * 37 % 900, seed + 2000);
    if (seed % 2 == 0) {
      // Rounded, so that scores and calibration are often equal.
      for (float& score : scores) score = std::round(score * 500) / 500;
      for (float& score : calibration) score = std::round(score * 500) / 500;
    }
    for (const double rate : {0.01, 0.1, 0.5}) {
      const ConformalThreshold found =
          conformal_threshold(scores.size(), pass_over(scores), calibration, rate);
      const std::vector<bool> expected = rejected(scores, calibration, rate);
      for (size_t i = 0; i < scores.size(); ++i) {
        ASSERT_EQ(static_cast<double>(scores[i]) >= found.threshold, expected[i])
            << "seed " << seed << ", rate " << rate << ", score " << i;
      }
      EXPECT_EQ(found.flagged, flagged(scores, found.threshold));
      EXPECT_DOUBLE_EQ(found.smallest_p, 1 / (static_cast<double>(calibration.size()) + 1));
    }
  }
}

TEST(Conformal, TellsHowManyThereMustBe) {
  const std::vector<float> calibration(9, 0.5f);  // the smallest p-value is .1
  const auto count_above = [&](size_t above) {
    std::vector<float> scores(100, 0.1f);
    std::fill_n(scores.begin(), above, 1.0f);
    return conformal_threshold(100, pass_over(scores), calibration, 0.2);
  };
  EXPECT_EQ(count_above(0).least_needed, 50u);
  EXPECT_EQ(count_above(49).flagged, 0u);
  EXPECT_EQ(count_above(49).threshold, std::numeric_limits<double>::infinity());
  EXPECT_EQ(count_above(50).flagged, 50u);
}

TEST(Conformal, TheRateIsKept) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  // 60 runs of 300 normal and 30 odd images. The share of normal ones among the flagged is .2 · 300
  // / 330 on average at most; its standard error over the runs is about .01.
  constexpr int kRuns = 60;
  double sum = 0;
  for (unsigned run = 0; run < kRuns; ++run) {
    std::vector<float> scores = random_scores(300, kSeed + 3 * run);
    const std::vector<float> odd = random_scores(30, kSeed + 3 * run + 1, 2.5);
    scores.insert(scores.end(), odd.begin(), odd.end());
    const std::vector<float> calibration = random_scores(1000, 7000 + run);
    const double threshold =
        conformal_threshold(330, pass_over(scores), calibration, 0.2).threshold;
    const std::vector<float> normal(scores.begin(), scores.begin() + 300);
    const auto all = static_cast<double>(flagged(scores, threshold));
    if (all > 0) sum += static_cast<double>(flagged(normal, threshold)) / all;
  }
  EXPECT_LE(sum / kRuns, 0.2 * 300 / 330 + 0.05);
  EXPECT_GT(sum / kRuns, 0.05) << "the rate is not used";
}

TEST(Conformal, ScoresThatAreNoneAreNamed) {
  const std::vector<float> scores = {0.1f, std::nanf("")};
  const std::vector<float> calibration = {0.1f};
  EXPECT_THAT(
      error_text<Error>([&] { conformal_threshold(2, pass_over(scores), calibration, 0.1); }),
      testing::HasSubstr("score 1 of 2 is nan"));
}

}  // namespace
}  // namespace oddity::test
