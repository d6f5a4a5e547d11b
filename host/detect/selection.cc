#include "detect/selection.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace oddity {

bool Selection::is_above(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.row.index < b.row.index;
}

void Selection::keep(Candidates& list, size_t most, double rank, uint64_t index,
                     std::string_view path, float score) {
  if (list.size() == most) {
    const Candidate& least = list.front();
    if (rank < least.rank || (rank == least.rank && index > least.row.index)) return;
    std::pop_heap(list.begin(), list.end(), is_above);
    list.pop_back();
  }
  list.push_back({rank, {index, std::string(path), score}});
  std::push_heap(list.begin(), list.end(), is_above);
}

void Selection::add(uint64_t index, std::string_view path, float score) {
  const auto value = static_cast<double>(score);
  if (value >= threshold_) {
    ++outlier_count_;
    keep(outliers_, kMostOutliers, value, index, path, score);
    return;
  }
  keep(borderline_, kMostBorderline, value, index, path, score);
  keep(typical_, kMostTypical, -std::abs(value - median_), index, path, score);
}

std::vector<SelectedRow> Selection::sorted(Candidates list) {
  std::sort(list.begin(), list.end(), is_above);
  std::vector<SelectedRow> rows;
  rows.reserve(list.size());
  for (Candidate& candidate : list) rows.push_back(std::move(candidate.row));
  return rows;
}

std::vector<SelectedRow> Selection::outliers() const { return sorted(outliers_); }
std::vector<SelectedRow> Selection::borderline() const { return sorted(borderline_); }
std::vector<SelectedRow> Selection::typical() const { return sorted(typical_); }

}  // namespace oddity
