#include "detect/drift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "detect/kolmogorov.h"
#include "support/error_text.h"

namespace oddity::test {
namespace {

using testing::HasSubstr;

/// Uniform in [low, low + 1), of few `values` with ties.
std::vector<double> random_scores(uint64_t seed, size_t count, double low = 0,
                                  uint32_t values = 1u << 31) {
  Philox random(seed, 0);
  std::vector<double> scores(count);
  for (double& score : scores) score = low + random.below(values) / static_cast<double>(values);
  std::sort(scores.begin(), scores.end());
  return scores;
}

/// Of the scores, the share that is `x` or less.
double share_up_to(const std::vector<double>& scores, double x) {
  double count = 0;
  for (const double score : scores) count += score <= x;
  return count / static_cast<double>(scores.size());
}

TEST(Drift, TheDistanceIsThatOfTheDistributionFunctions) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const uint32_t values = seed % 2 ? 7 : 1u << 31;
    const auto a = random_scores(seed, 1 + seed * 5 % 83, 0, values);
    const auto b =
        random_scores(seed + 100, 1 + seed * 7 % 61, 0.25 * static_cast<double>(seed % 3), values);
    double expected = 0;
    for (const auto* scores : {&a, &b}) {
      for (const double x : *scores) {
        expected = std::max(expected, std::abs(share_up_to(a, x) - share_up_to(b, x)));
      }
    }
    EXPECT_EQ(kolmogorov_smirnov(a, b).distance, expected);
    EXPECT_EQ(kolmogorov_smirnov(b, a).distance, expected);
    EXPECT_EQ(kolmogorov_smirnov(b, a).p_value, kolmogorov_smirnov(a, b).p_value);
  }
}

// No p-value is below the chance of the rarest order that the scores can come in.
TEST(Drift, AHandfulOfScoresProvesNothing) {
  EXPECT_DOUBLE_EQ(kolmogorov_smirnov(std::vector<double>{1, 2}, std::vector<double>{3, 4}).p_value,
                   2.0 / 6);
  EXPECT_EQ(kolmogorov_smirnov(std::vector<double>{1}, std::vector<double>{3}).p_value, 1);
  const Drift few = measure_drift({1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}, {});
  EXPECT_TRUE(few.is_distant && few.is_unstable);
  EXPECT_FALSE(few.found()) << few.test.p_value;
  EXPECT_TRUE(measure_drift({1, 2, 3, 4, 5, 6, 7}, {8, 9, 10, 11, 12, 13, 14}, {}).found());
}

TEST(Drift, TheIndexIsThatOfItsBins) {
  const std::vector<double> a = random_scores(5, 1000);
  std::vector<double> b = random_scores(6, 500, 0.3);
  // The ends, from sorted scores: rank 999·k/10, between two of them.
  double expected = 0;
  double low = -1e9;
  for (size_t k = 1; k <= 10; ++k) {
    const double rank = 999 * static_cast<double>(k) / 10;
    const auto below = static_cast<size_t>(rank);
    const double high = k == 10 ? 1e9 : std::lerp(a[below], a[below + 1], rank - std::floor(rank));
    const double in_a = (share_up_to(a, high) - share_up_to(a, low)) * 1000;
    const double in_b = (share_up_to(b, high) - share_up_to(b, low)) * 500;
    const double share_a = (in_a + 0.5) / 1005, share_b = (in_b + 0.5) / 505;
    expected += (share_b - share_a) * std::log(share_b / share_a);
    low = high;
  }
  const StabilityIndex index = stability_index(a, b);
  EXPECT_EQ(index.bins, 10u);
  EXPECT_NEAR(index.value, expected, 1e-12) << "ten terms below 10, float64";
  EXPECT_GT(index.value, 0.2);
}

TEST(Drift, TiesLeaveFewerBins) {
  const std::vector<double> a(50, 1.0);
  const std::vector<double> b{1, 1, 2, 2, 2, 2};
  const StabilityIndex index = stability_index(a, b);
  EXPECT_EQ(index.bins, 2u);
  const double a1 = 50.5 / 51, a2 = 0.5 / 51, b1 = 2.5 / 7, b2 = 4.5 / 7;
  EXPECT_DOUBLE_EQ(index.value, (b1 - a1) * std::log(b1 / a1) + (b2 - a2) * std::log(b2 / a2));
  EXPECT_EQ(stability_index(a, a).value, 0);
}

TEST(Drift, IsNoneBetweenLikeScores) {
  const auto a = random_scores(1, 3000);
  const Drift same = measure_drift(a, a, {});
  EXPECT_EQ(same.test.distance, 0);
  EXPECT_EQ(same.test.p_value, 1);
  EXPECT_EQ(same.stability.value, 0);
  EXPECT_FALSE(same.found());
  EXPECT_FALSE(measure_drift(a, random_scores(2, 2000), {}).found());
}

TEST(Drift, IsNotFoundInADifferenceTooSmallToMatter) {
  const Drift drift = measure_drift(random_scores(1, 100000), random_scores(2, 100000, 0.03), {});
  EXPECT_TRUE(drift.is_unlikely);
  EXPECT_FALSE(drift.is_distant);
  EXPECT_FALSE(drift.is_unstable);
  EXPECT_FALSE(drift.found());
}

TEST(Drift, IsFoundByEitherMeasure) {
  const auto a = random_scores(1, 20000);
  const Drift shifted = measure_drift(a, random_scores(2, 20000, 0.11), {});
  EXPECT_TRUE(shifted.is_distant);
  EXPECT_TRUE(shifted.found());
  // Of evenly spread scores nine in a hundred move from the lowest bin to the highest.
  std::vector<double> even(20000);
  for (size_t i = 0; i < even.size(); ++i) even[i] = static_cast<double>(i) / 20000;
  std::vector<double> b = even;
  for (size_t i = 0; i < b.size(); ++i) {
    if (b[i] < 0.09) b[i] = 2;
  }
  const Drift gathered = measure_drift(even, b, {});
  EXPECT_FALSE(gathered.is_distant) << gathered.test.distance;
  EXPECT_TRUE(gathered.is_unstable) << gathered.stability.value;
  EXPECT_TRUE(gathered.found());
  EXPECT_FALSE(measure_drift(even, b, {.alpha = 0}).found()) << "no p-value is below 0";
}

TEST(Drift, RefusesWhatIsNoScore) {
  EXPECT_THAT(error_text<Error>([] { measure_drift({}, {1}, {}); }),
              HasSubstr("A holds no scores"));
  EXPECT_THAT(error_text<Error>([] { measure_drift({1}, {}, {}); }),
              HasSubstr("B holds no scores"));
  EXPECT_THAT(error_text<Error>([] { measure_drift({1}, {std::nan("")}, {}); }),
              HasSubstr("a score of B is nan"));
}

TEST(Kolmogorov, IsTheKnownFunctionForOneAndTwoDraws) {
  for (double x = 0.005; x < 1; x += 0.01) {
    EXPECT_NEAR(kolmogorov_tail(1, x), x <= 0.5 ? 1 : 2 - 2 * x, 1e-15) << x;
    const double two = x <= 0.25  ? 1
                       : x <= 0.5 ? 1 - 2 * (2 * x - 0.5) * (2 * x - 0.5)
                                  : 2 * (1 - x) * (1 - x);
    EXPECT_NEAR(kolmogorov_tail(2, x), two, 1e-15) << x;
  }
  for (const uint64_t n : {1u, 2u, 1000u}) {
    EXPECT_EQ(kolmogorov_tail(n, 0), 1);
    EXPECT_EQ(kolmogorov_tail(n, 1), 0);
  }
}

// The value that Marsaglia, Tsang and Wang give.
TEST(Kolmogorov, IsThePublishedValue) {
  EXPECT_NEAR(kolmogorov_tail(10, 0.274), 1 - 0.6284796154565, 1e-12);
}

// Methods that have nothing in common agree where both hold.
TEST(Kolmogorov, IsTheSameByEveryMethod) {
  for (const uint64_t n : {150u, 1000u, 5000u}) {
    const double root = std::sqrt(static_cast<double>(n));
    for (const double z : {0.5, 0.8, 1.2, 1.5}) {
      const double exact = kolmogorov::exact(n, z / root);
      // The expansion leaves out what is of the order 1/n².
      EXPECT_NEAR(kolmogorov::expansion(n, z / root), exact, 0.05 / (root * root * root * root))
          << n << ", " << z;
    }
    // That both sides pass the distance is less likely than one of them twice as far.
    const double x = 2.0 / root;
    const double tail = 2 * kolmogorov::one_sided_tail(n, x);
    EXPECT_NEAR(1 - kolmogorov::exact(n, x), tail, 1e-12) << n;
  }
  for (const double x : {0.5, 0.6, 0.75}) {
    EXPECT_NEAR(1 - kolmogorov::exact(20, x), 2 * kolmogorov::one_sided_tail(20, x), 1e-14) << x;
  }
}

TEST(Kolmogorov, FallsWithoutJumpsFromCaseToCase) {
  for (const uint64_t n : {3u, 20u, 140u, 141u, 5000u, 100000u, 100001u, 1000000u}) {
    double before = 1;
    const double root = std::sqrt(static_cast<double>(n));
    // Many draws take their time.
    const double step = n > 10000 ? 0.2 : 0.02;
    for (double z = step; z < 6 && z < root; z += step) {
      const double p = kolmogorov_tail(n, z / root);
      ASSERT_LE(p, before) << n << ", " << z;
      ASSERT_GE(p, 0) << n << ", " << z;
      // The limit for large n, 2 Σ (−1)^(k−1) exp(−2k²z²), is not far.
      if (n >= 5000 && z > 1 && z < 3) {
        const double limit = 2 * (std::exp(-2 * z * z) - std::exp(-8 * z * z));
        ASSERT_NEAR(p / limit, 1, 0.1) << n << ", " << z;
      }
      before = p;
    }
  }
}

}  // namespace
}  // namespace oddity::test
