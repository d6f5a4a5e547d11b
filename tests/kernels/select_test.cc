#include "select.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "detect/quantile.h"
#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/npy_file.h"

namespace oddity::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class DeviceSelection {
 public:
  explicit DeviceSelection(const std::vector<float>& x) : DeviceSelection(x, 0) {}
  /// Of the numbers from `skipped` on.
  DeviceSelection(const std::vector<float>& x, int64_t skipped) : x_(x), skipped_(skipped) {}

  Selection operator()(uint64_t lower, uint64_t upper) {
    select(nullptr, x_.data() + skipped_, x_.size() - static_cast<size_t>(skipped_), lower, upper,
           selection_.data(), workspace_.data());
    return selection_.download().front();
  }

 private:
  DeviceArray<float> x_;
  int64_t skipped_;
  DeviceArray<Selection> selection_{1};
  DeviceArray<uint64_t> workspace_{static_cast<size_t>(select_workspace() + 7) / 8};
};

uint32_t bits(float value) { return std::bit_cast<uint32_t>(value); }

/// Every pair of ranks given; one workspace for all of them.
void expect_as_sorted(const std::vector<float>& x,
                      const std::vector<std::pair<uint64_t, uint64_t>>& ranks) {
  auto sorted = x;
  for (float& value : sorted) value += 0.0f;  // -0 counts as +0
  std::sort(sorted.begin(), sorted.end());
  DeviceSelection selection(x);
  for (const auto& [lower, upper] : ranks) {
    const Selection result = selection(lower, upper);
    EXPECT_EQ(bits(result.value[0]), bits(sorted[lower])) << lower << " of " << x.size();
    EXPECT_EQ(bits(result.value[1]), bits(sorted[upper])) << upper << " of " << x.size();
    EXPECT_EQ(result.nan_count, 0u);
  }
}

/// Neighbours, the ends, and some far apart.
std::vector<std::pair<uint64_t, uint64_t>> all_ranks(uint64_t n) {
  std::vector<std::pair<uint64_t, uint64_t>> ranks{{0, 0}, {0, n - 1}, {n - 1, n - 1}};
  for (uint64_t k = 0; k + 1 < n; ++k) ranks.emplace_back(k, k + 1);
  for (uint64_t k = 0; k < n / 2; ++k) ranks.emplace_back(k, n - 1 - k);
  return ranks;
}

TEST(Select, OfEverySmallNumber) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const int64_t n : {1, 2, 3, 5, 31, 33}) {
    const auto x = random_values(n, static_cast<uint32_t>(n));
    expect_as_sorted(x, all_ranks(static_cast<uint64_t>(n)));
  }
}

// -∞, -0, denormals, neighbours and ∞, all in one: their keys differ in the first, the second and
// the last digit only.
TEST(Select, OfEveryKindOfNumber) {
  const float one = 1.0f;
  const float above = std::nextafter(one, 2.0f);
  const float largest = std::numeric_limits<float>::max();
  const float least = std::numeric_limits<float>::denorm_min();
  const std::vector<float> x{one,    -0.0f,     above,      -kInfinity, 0.0f,    least,     -least,
                             -above, kInfinity, 1e-40f,     -largest,   -one,    2 * least, above,
                             -0.0f,  largest,   -kInfinity, one,        -1e-40f, kInfinity};
  expect_as_sorted(x, all_ranks(x.size()));
}

TEST(Select, OfManyTimesTheSameNumber) {
  for (const float value : {0.0f, -0.0f, 0.25f, -3.0f, kInfinity}) {
    expect_as_sorted(std::vector<float>(257, value), {{0, 0}, {0, 256}, {100, 101}});
  }
}

TEST(Select, OfTwoNumbersAUnitApart) {
  for (const float low : {1.0f, -1.0f, std::nextafter(2.0f, 0.0f), 0.03f}) {
    std::vector<float> x(1001, low);
    std::fill(x.begin() + 500, x.end(), std::nextafter(low, kInfinity));
    std::rotate(x.begin(), x.begin() + 250, x.end());
    expect_as_sorted(x, {{498, 499}, {499, 500}, {500, 501}, {0, 1000}});
  }
}

// More than one block; sorted input makes the longest runs in a histogram's bin.
TEST(Select, OfManyInAnyOrder) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  auto x = random_values(100001, 3);
  for (float& value : x) value = value * value * 0.03f;  // as scores are
  const std::vector<std::pair<uint64_t, uint64_t>> ranks{
      {0, 1}, {50000, 50001}, {99900, 99901}, {99999, 100000}, {0, 100000}, {7, 77777}};
  expect_as_sorted(x, ranks);
  std::sort(x.begin(), x.end());
  expect_as_sorted(x, ranks);
  std::reverse(x.begin(), x.end());
  expect_as_sorted(x, ranks);
}

TEST(Select, OfNumbersOfAnyBits) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  Philox random(kSeed, 4);
  std::vector<float> x;
  while (x.size() < 20011) {
    const float value = std::bit_cast<float>(random());
    if (!std::isnan(value)) x.push_back(value);
  }
  std::vector<std::pair<uint64_t, uint64_t>> ranks{{0, 1}, {20009, 20010}};
  for (int i = 0; i < 20; ++i) {
    const uint64_t a = random.below(20011), b = random.below(20011);
    ranks.emplace_back(std::min(a, b), std::max(a, b));
  }
  expect_as_sorted(x, ranks);
}

TEST(Select, OfNumbersBetweenAlignedPlaces) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(1000, 5);
  DeviceSelection shifted(x, 1);
  std::vector<float> sorted(x.begin() + 1, x.end());
  std::sort(sorted.begin(), sorted.end());
  for (const uint64_t k : {0u, 499u, 997u}) {
    const Selection result = shifted(k, k + 1);
    EXPECT_EQ(result.value[0], sorted[k]);
    EXPECT_EQ(result.value[1], sorted[k + 1]);
  }
}

TEST(Select, CountsNansAndFindsTheFirst) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  auto x = random_values(20000, 6);
  x[19999] = std::nanf("");
  EXPECT_EQ(DeviceSelection(x)(0, 1).nan_count, 1u);
  EXPECT_EQ(DeviceSelection(x)(0, 1).first_nan, 19999u);
  x[9001] = -std::nanf("");
  x[9002] = std::bit_cast<float>(0x7f800001u);  // a signalling one
  EXPECT_EQ(DeviceSelection(x)(0, 1).nan_count, 3u);
  EXPECT_EQ(DeviceSelection(x)(0, 1).first_nan, 9001u);
  DeviceSelection again(x);
  again(5, 6);
  EXPECT_EQ(again(19998, 19999).nan_count, 3u);  // not 6
}

// golden/quantile: with quantile_lerp the selection gives NumPy's quantiles, bit for bit.
TEST(Select, GivesNumPysQuantiles) {
  const auto levels = test::read_npy_file<double>(test::golden("quantile/q_f64.npy")).values;
  for (const std::string name : {"n1", "n2", "n7", "n1000"}) {
    const auto x = test::read_npy_file<float>(test::golden("quantile/" + name + "_in.npy")).values;
    const auto expected =
        test::read_npy_file<double>(test::golden("quantile/" + name + "_out_f64.npy")).values;
    DeviceSelection selection(x);
    for (size_t i = 0; i < levels.size(); ++i) {
      const QuantilePosition position = quantile_position(x.size(), levels[i]);
      const Selection result = selection(position.lower, position.upper);
      EXPECT_EQ(quantile_lerp(static_cast<double>(result.value[0]),
                              static_cast<double>(result.value[1]), position.fraction),
                expected[i])
          << name << " q " << levels[i];
    }
  }
}

}  // namespace
}  // namespace oddity::kernels
