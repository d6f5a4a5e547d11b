// Which images of a run a person should see: those above the threshold, those just below it, and
// some that are like most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace oddity {

struct SelectedRow {
  uint64_t index = 0;  // row of the table
  std::string path;    // empty for sets without paths
  float score = 0;
};

/// Takes every row of a run, one after the other, and keeps a bounded number of each kind. What it
/// keeps does not depend on the order of the rows: of equal scores the smaller index counts as the
/// higher.
class Selection {
 public:
  static constexpr size_t kMostOutliers = 200;
  static constexpr size_t kMostBorderline = 20;
  static constexpr size_t kMostTypical = 10;

  /// Outliers score at or above `threshold`; typical are the scores nearest to `median`.
  Selection(double threshold, double median) : threshold_(threshold), median_(median) {}

  /// A row whose image is ok; `score` is finite.
  void add(uint64_t index, std::string_view path, float score);

  uint64_t outlier_count() const { return outlier_count_; }
  /// The highest scores first.
  std::vector<SelectedRow> outliers() const;
  /// The highest scores below the threshold, the highest first.
  std::vector<SelectedRow> borderline() const;
  /// The nearest to the median first. None of them is an outlier.
  std::vector<SelectedRow> typical() const;

 private:
  /// A row and how much it is wanted: the least wanted of a full list makes room.
  struct Candidate {
    double rank;
    SelectedRow row;
  };
  using Candidates = std::vector<Candidate>;  // a heap, the least wanted on top
  static bool is_above(const Candidate& a, const Candidate& b);
  static void keep(Candidates& list, size_t most, double rank, uint64_t index,
                   std::string_view path, float score);
  static std::vector<SelectedRow> sorted(Candidates list);

  double threshold_;
  double median_;
  uint64_t outlier_count_ = 0;
  Candidates outliers_, borderline_, typical_;
};

}  // namespace oddity
