// Counts of scores by magnitude.
#include "detect/score_histogram.h"

#include <gtest/gtest.h>

#include <limits>

namespace oddity::test {
namespace {

TEST(ScoreHistogram, AScoreLiesInItsBin) {
  for (const double score : {1e-9, 0.001, 0.0123, 0.5, 1.0, 99.0}) {
    const size_t bin = ScoreHistogram::bin_of(score);
    EXPECT_LE(ScoreHistogram::begin_of(bin), score * (1 + 1e-12));
    EXPECT_GT(ScoreHistogram::begin_of(bin + 1), score * (1 - 1e-12));
  }
}

TEST(ScoreHistogram, WhatLiesOutsideCountsAtTheEnds) {
  EXPECT_EQ(ScoreHistogram::bin_of(0), 0u);
  EXPECT_EQ(ScoreHistogram::bin_of(-1), 0u);
  EXPECT_EQ(ScoreHistogram::bin_of(1e-30), 0u);
  EXPECT_EQ(ScoreHistogram::bin_of(1e30), ScoreHistogram::kBins - 1);
  EXPECT_EQ(ScoreHistogram::bin_of(std::numeric_limits<double>::max()), ScoreHistogram::kBins - 1);
}

TEST(ScoreHistogram, CountsAll) {
  ScoreHistogram histogram;
  EXPECT_EQ(histogram.total(), 0u);
  for (int i = 0; i < 7; ++i) histogram.add(0.01f);
  histogram.add(0.5f);
  EXPECT_EQ(histogram.total(), 8u);
  EXPECT_EQ(histogram.counts()[ScoreHistogram::bin_of(0.5)], 1u);
}

}  // namespace
}  // namespace oddity::test
