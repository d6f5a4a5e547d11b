// Which images a report shows.
#include "detect/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace oddity::test {
namespace {

struct Row {
  uint64_t index;
  float score;
};

std::vector<uint64_t> indices(const std::vector<SelectedRow>& rows) {
  std::vector<uint64_t> result;
  for (const SelectedRow& row : rows) result.push_back(row.index);
  return result;
}

/// The first `most` of the rows that `wanted` accepts, by descending `rank`, then index.
template <typename Wanted, typename Rank>
std::vector<uint64_t> best(std::vector<Row> rows, size_t most, Wanted wanted, Rank rank) {
  std::erase_if(rows, [&](const Row& row) { return !wanted(row); });
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    return rank(a) != rank(b) ? rank(a) > rank(b) : a.index < b.index;
  });
  std::vector<uint64_t> result;
  for (size_t i = 0; i < std::min(most, rows.size()); ++i) result.push_back(rows[i].index);
  return result;
}

TEST(Selection, IsWhatSortingAllGivesWhateverTheOrder) {
  constexpr unsigned kSeed = 17;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (const size_t count : {0, 1, 9, 250, 3000}) {
    // Few values, so that many are equal.
    std::vector<Row> rows;
    for (size_t i = 0; i < count; ++i) {
      rows.push_back({i, static_cast<float>(random() % 300) / 300});
    }
    constexpr double kThreshold = 0.9, kMedian = 0.4;
    const auto value = [](const Row& row) { return static_cast<double>(row.score); };
    const auto odd = [&](const Row& row) { return value(row) >= kThreshold; };
    const auto normal = [&](const Row& row) { return !odd(row); };
    for (int round = 0; round < 2; ++round) {
      Selection selection(kThreshold, kMedian);
      for (const Row& row : rows) selection.add(row.index, {}, row.score);
      EXPECT_EQ(indices(selection.outliers()), best(rows, Selection::kMostOutliers, odd, value));
      EXPECT_EQ(indices(selection.borderline()),
                best(rows, Selection::kMostBorderline, normal, value));
      EXPECT_EQ(indices(selection.typical()),
                best(rows, Selection::kMostTypical, normal,
                     [&](const Row& row) { return -std::abs(value(row) - kMedian); }));
      EXPECT_EQ(selection.outlier_count(),
                static_cast<uint64_t>(std::count_if(rows.begin(), rows.end(), odd)));
      std::shuffle(rows.begin(), rows.end(), random);
    }
  }
}

TEST(Selection, KeepsPathAndScore) {
  Selection selection(0.5, 0.1);
  selection.add(3, "a/b.png", 0.5f);
  ASSERT_EQ(selection.outliers().size(), 1u);
  EXPECT_EQ(selection.outliers()[0].path, "a/b.png");
  EXPECT_EQ(selection.outliers()[0].score, 0.5f);
}

}  // namespace
}  // namespace oddity::test
