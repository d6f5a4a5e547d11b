// The figures of rankings against their definitions, in loops over all pairs.
#include "detect/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "detect/bootstrap.h"
#include "support/error_text.h"

namespace oddity::test {
namespace {

using testing::HasSubstr;

using Scores = std::vector<JudgedScore>;

// Both sides sum up a few hundred numbers in [0, 1] in float64.
constexpr double kRounding = 1e-13;

double auroc_of(const Scores& scores) {
  double wins = 0, pairs = 0;
  for (const JudgedScore& a : scores) {
    for (const JudgedScore& b : scores) {
      if (!a.is_anomaly || b.is_anomaly) continue;
      ++pairs;
      wins += a.score > b.score ? 1 : a.score == b.score ? 0.5 : 0;
    }
  }
  return wins / pairs;
}

/// Of the images that score `least` or more.
struct Reached {
  double anomalies = 0, all = 0;
};
Reached reached(const Scores& scores, double least) {
  Reached count;
  for (const JudgedScore& image : scores) {
    if (image.score < least) continue;
    ++count.all;
    if (image.is_anomaly) ++count.anomalies;
  }
  return count;
}

double anomalies_of(const Scores& scores) {
  return reached(scores, -std::numeric_limits<double>::infinity()).anomalies;
}

/// The mean over the anomalies of the precision at each one's own score: the same sum, in another
/// order.
double average_precision_of(const Scores& scores) {
  double sum = 0;
  for (const JudgedScore& image : scores) {
    if (!image.is_anomaly) continue;
    const Reached count = reached(scores, image.score);
    sum += count.anomalies / count.all;
  }
  return sum / anomalies_of(scores);
}

/// An image is among the n highest where fewer than n come before it.
double precision_at_n_of(const Scores& scores) {
  const double n = anomalies_of(scores);
  double found = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    double before = 0;
    for (size_t k = 0; k < scores.size(); ++k) {
      before += scores[k].score > scores[i].score || (scores[k].score == scores[i].score && k < i);
    }
    if (before < n && scores[i].is_anomaly) ++found;
  }
  return found / n;
}

/// Scores of two classes that overlap; of few `values` there are ties.
Scores random_scores(Philox& random, size_t count, uint32_t values) {
  Scores scores(count);
  for (size_t i = 0; i < count; ++i) {
    scores[i].is_anomaly = i < 2 ? i == 0 : random.below(4) == 0;
    scores[i].score = (random.below(values) + (scores[i].is_anomaly ? values / 3 : 0)) * 0.1;
    scores[i].is_flagged = scores[i].score > values * 0.09;
  }
  for (size_t i = count; i > 1; --i) {
    std::swap(scores[i - 1], scores[random.below(static_cast<uint32_t>(i))]);
  }
  return scores;
}

void expect_figures(const Scores& scores, const Figures& figures) {
  EXPECT_NEAR(figures.auroc, auroc_of(scores), kRounding);
  EXPECT_NEAR(figures.average_precision, average_precision_of(scores), kRounding);
  EXPECT_NEAR(figures.precision_at_n, precision_at_n_of(scores), kRounding);
  double flagged = 0, found = 0;
  for (const JudgedScore& image : scores) {
    flagged += image.is_flagged;
    found += image.is_flagged && image.is_anomaly;
  }
  if (flagged > 0) {
    EXPECT_NEAR(figures.precision, found / flagged, kRounding);
  } else {
    EXPECT_TRUE(std::isnan(figures.precision));
  }
  EXPECT_NEAR(figures.recall, found / anomalies_of(scores), kRounding);
}

TEST(Metrics, AreWhatTheirDefinitionsSay) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    for (const uint32_t values : {1u, 2u, 5u, 1000000u}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", " << values << " values");
      Philox random(seed, values);
      const Scores scores = random_scores(random, 2 + random.below(80), values);
      expect_figures(scores, Ranking(scores).figures());
    }
  }
}

TEST(Metrics, KnowTheOrderOfTiesAndTheExtremes) {
  // Scores, from the best separation to none to the worst.
  const auto ranking = [](double anomaly, double other) {
    return Ranking({{anomaly, true}, {other, false}, {other, false}, {anomaly, true}});
  };
  EXPECT_EQ(ranking(2, 1).figures().auroc, 1);
  EXPECT_EQ(ranking(2, 1).figures().average_precision, 1);
  EXPECT_EQ(ranking(2, 1).figures().precision_at_n, 1);
  EXPECT_EQ(ranking(1, 1).figures().auroc, 0.5);
  EXPECT_EQ(ranking(1, 1).figures().average_precision, 0.5);
  EXPECT_EQ(ranking(1, 1).figures().precision_at_n, 0.5) << "the first two rows of the table";
  EXPECT_EQ(ranking(1, 2).figures().auroc, 0);
  EXPECT_NEAR(ranking(1, 2).figures().average_precision, 0.5, kRounding);
  EXPECT_EQ(ranking(1, 2).figures().precision_at_n, 0);
}

TEST(Metrics, CountRepeatedImagesAsIfTheyStoodThere) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Philox random(seed, 9);
    Scores scores = random_scores(random, 2 + random.below(60), seed % 2 ? 6 : 1000000);
    std::stable_sort(scores.begin(), scores.end(),
                     [](const auto& a, const auto& b) { return a.score > b.score; });
    const Ranking ranking(scores);
    std::vector<uint32_t> anomalies(ranking.anomalies()), others(ranking.others());
    draw_counts(random, anomalies);
    draw_counts(random, others);
    Scores repeated;
    auto anomaly = anomalies.begin(), other = others.begin();
    for (const JudgedScore& image : scores) {
      repeated.insert(repeated.end(), image.is_anomaly ? *anomaly++ : *other++, image);
    }
    ASSERT_EQ(repeated.size(), scores.size());
    expect_figures(repeated, ranking.figures(anomalies, others));
  }
}

TEST(Metrics, StepsAreTheDistinctScores) {
  const Ranking ranking({{1, true}, {3, true}, {1, false}, {2, false}, {1, false}});
  const auto steps = ranking.steps();
  ASSERT_EQ(steps.size(), 4u);
  const std::vector<std::pair<uint64_t, uint64_t>> expected{{0, 0}, {1, 0}, {1, 1}, {2, 3}};
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(std::pair(steps[i].anomalies, steps[i].others), expected[i]);
  }
}

TEST(Metrics, RefuseWhatCannotBeToldApart) {
  EXPECT_THAT(error_text<Error>([] {
                Ranking({{1, true}, {2, true}});
              }),
              HasSubstr("2 images are anomalies, 0 are others"));
  EXPECT_THAT(error_text<Error>([] {
                Ranking({{1, false}});
              }),
              HasSubstr("0 images are anomalies"));
  EXPECT_THAT(error_text<Error>([] { Ranking(Scores{}); }), HasSubstr("0 images are anomalies"));
  EXPECT_THAT(error_text<Error>([] {
                Ranking({{std::nan(""), true}, {2, false}});
              }),
              HasSubstr("a score is nan"));
}

TEST(Bootstrap, DoesNotDependOnThreads) {
  Philox random(3, 0);
  const Ranking ranking(random_scores(random, 300, 1000));
  const auto intervals = [&](int threads, uint64_t seed) {
    const FigureIntervals all =
        bootstrap(ranking, {.replicates = 77, .seed = seed, .threads = threads});
    return std::vector<double>{all.auroc.low,
                               all.auroc.high,
                               all.average_precision.low,
                               all.average_precision.high,
                               all.precision_at_n.low,
                               all.precision_at_n.high,
                               all.precision.low,
                               all.precision.high,
                               all.recall.low,
                               all.recall.high};
  };
  const std::vector<double> one = intervals(1, 42);
  EXPECT_EQ(intervals(3, 42), one);
  EXPECT_EQ(intervals(100, 42), one) << "more threads than replicates";
  EXPECT_NE(intervals(1, 43), one);
}

TEST(Bootstrap, DrawsAsManyAsThereAreAllEquallyOften) {
  constexpr uint32_t kSize = 10, kDraws = 20000;
  std::vector<uint32_t> counts(kSize);
  std::vector<double> sums(kSize);
  Philox random(1, 2);
  for (uint32_t i = 0; i < kDraws; ++i) {
    draw_counts(random, counts);
    uint32_t total = 0;
    for (uint32_t k = 0; k < kSize; ++k) {
      total += counts[k];
      sums[k] += counts[k];
    }
    ASSERT_EQ(total, kSize);
  }
  // A mean of 1, its standard deviation √(.9 / 20000) = .0067: six of these.
  for (const double sum : sums) EXPECT_NEAR(sum / kDraws, 1, 0.04);
}

// The AUROC of n anomalies that each win over all others with probability p or over none is the
// mean of n such throws: its 95 % interval is known.
TEST(Bootstrap, FindsAKnownInterval) {
  Scores scores;
  for (int i = 0; i < 400; ++i) scores.push_back({i < 240 ? 3.0 : 1.0, true});
  for (int i = 0; i < 100; ++i) scores.push_back({2, false});
  const FigureIntervals all = bootstrap(Ranking(scores), {.replicates = 4000});
  const double deviation = std::sqrt(0.6 * 0.4 / 400);
  // The quantiles of 4,000 replicates are within a fifth of a deviation of those of all.
  EXPECT_NEAR(all.auroc.low, 0.6 - 1.96 * deviation, deviation / 5);
  EXPECT_NEAR(all.auroc.high, 0.6 + 1.96 * deviation, deviation / 5);
  EXPECT_TRUE(std::isnan(all.precision.low)) << "nothing is flagged";
  EXPECT_EQ(all.recall.high, 0);
}

TEST(Bootstrap, IsDefinedForOneImageOfEachClass) {
  const FigureIntervals all = bootstrap(Ranking({{2, true, true}, {1, false}}), {.replicates = 5});
  EXPECT_EQ(all.auroc.low, 1);
  EXPECT_EQ(all.auroc.high, 1);
  EXPECT_EQ(all.precision.low, 1);
}

TEST(Bootstrap, CanBeStopped) {
  const Ranking ranking({{2, true}, {1, false}});
  EXPECT_THAT(error_text<Interrupted>(
                  [&] { bootstrap(ranking, {}, [] { throw Interrupted("stopped"); }); }),
              HasSubstr("stopped"));
  EXPECT_THAT(error_text<ArgumentError>([&] { bootstrap(ranking, {.replicates = 0}); }),
              HasSubstr("0 bootstrap replicates"));
}

}  // namespace
}  // namespace oddity::test
