// Comparison of many numbers within a tolerance: |actual − expected| ≤ absolute +
// relative·|expected|.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>

namespace oddity::test {

/// |actual − expected| ≤ absolute + relative · |expected| + of_largest · max |expected|.
struct Tolerance {
  double absolute = 0;
  double relative = 0;
  double of_largest = 0;
};

/// The largest magnitude.
template <typename Values>
double largest(const Values& values) {
  double result = 0;
  for (const auto value : values) result = std::fmax(result, std::abs(static_cast<double>(value)));
  return result;
}

/// Succeeds where every number is within the tolerance; names the worst otherwise. NaN is never
/// near.
template <typename Actual, typename Expected>
testing::AssertionResult all_near(const Actual& actual, const Expected& expected,
                                  const Tolerance& tolerance) {
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure() << actual.size() << " numbers, expected " << expected.size();
  }
  const double common = tolerance.absolute + tolerance.of_largest * largest(expected);
  size_t outside = 0;
  size_t worst = 0;
  double worst_excess = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double e = static_cast<double>(expected[i]);
    const double difference = std::abs(static_cast<double>(actual[i]) - e);
    const double allowed = common + tolerance.relative * std::abs(e);
    if (difference <= allowed) continue;
    ++outside;
    const double excess = difference - allowed;
    if (outside == 1 || std::isnan(excess) || excess > worst_excess) {
      worst = i;
      worst_excess = excess;
    }
  }
  if (outside == 0) return testing::AssertionSuccess();
  const double e = static_cast<double>(expected[worst]);
  return testing::AssertionFailure()
         << outside << " of " << actual.size() << " numbers outside of " << common << " + "
         << tolerance.relative << "·|expected|; the worst at " << worst << ": " << actual[worst]
         << ", expected " << expected[worst] << ", difference "
         << static_cast<double>(actual[worst]) - e;
}

}  // namespace oddity::test
