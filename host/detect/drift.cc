#include "detect/drift.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"
#include "detect/kolmogorov.h"
#include "detect/quantile.h"

namespace oddity {
namespace {

constexpr size_t kBins = 10;

/// 2 / C(a + b, a). Of sets of any size in a moment: the smaller one gives the factors, and behind
/// some hundred of them nothing is left.
double smallest_p_value(size_t a, size_t b) {
  const size_t small = std::min(a, b);
  const auto large = static_cast<double>(std::max(a, b));
  double p = 2;
  for (size_t i = 1; i <= small && p > 0; ++i) {
    p *= static_cast<double>(i) / (large + static_cast<double>(i));
  }
  return std::min(p, 1.0);
}

std::vector<double> sorted(std::vector<double> scores, char set) {
  if (scores.empty()) throw Error("{} holds no scores to compare", set);
  for (const double score : scores) {
    if (!std::isfinite(score)) throw Error("a score of {} is {}", set, shortest(score));
  }
  std::sort(scores.begin(), scores.end());
  return scores;
}

/// The distinct ends of the bins but the last.
std::vector<double> bin_ends(std::span<const double> scores) {
  std::vector<double> ends;
  for (size_t i = 1; i < kBins; ++i) {
    const double end = quantile_of_sorted(scores, static_cast<double>(i) / kBins);
    if (ends.empty() || end > ends.back()) ends.push_back(end);
  }
  return ends;
}

/// The smoothed shares of the bins.
std::vector<double> shares(std::span<const double> scores, const std::vector<double>& ends) {
  const size_t bins = ends.size() + 1;
  const double total = static_cast<double>(scores.size()) + 0.5 * static_cast<double>(bins);
  std::vector<double> shares;
  auto begin = scores.begin();
  for (size_t i = 0; i < bins; ++i) {
    const auto end =
        i < ends.size() ? std::upper_bound(begin, scores.end(), ends[i]) : scores.end();
    shares.push_back((static_cast<double>(end - begin) + 0.5) / total);
    begin = end;
  }
  return shares;
}

}  // namespace

KolmogorovSmirnov kolmogorov_smirnov(std::span<const double> a, std::span<const double> b) {
  const auto size_a = static_cast<double>(a.size());
  const auto size_b = static_cast<double>(b.size());
  double distance = 0;
  // Behind every distinct score.
  for (size_t i = 0, k = 0; i < a.size() || k < b.size();) {
    const double score = k == b.size() || (i < a.size() && a[i] < b[k]) ? a[i] : b[k];
    while (i < a.size() && a[i] == score) ++i;
    while (k < b.size() && b[k] == score) ++k;
    distance = std::max(
        distance, std::abs(static_cast<double>(i) / size_a - static_cast<double>(k) / size_b));
  }
  // To even where it is half-way, as NumPy rounds.
  const double size = std::nearbyint(size_a * size_b / (size_a + size_b));
  const double p_value = kolmogorov_tail(static_cast<uint64_t>(std::max(size, 1.0)), distance);
  return {distance, std::max(p_value, smallest_p_value(a.size(), b.size()))};
}

StabilityIndex stability_index(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> ends = bin_ends(a);
  const std::vector<double> share_a = shares(a, ends);
  const std::vector<double> share_b = shares(b, ends);
  StabilityIndex index{.value = 0, .bins = share_a.size()};
  for (size_t i = 0; i < share_a.size(); ++i) {
    index.value += (share_b[i] - share_a[i]) * std::log(share_b[i] / share_a[i]);
  }
  return index;
}

Drift measure_drift(std::vector<double> a, std::vector<double> b, const DriftLimits& limits) {
  a = sorted(std::move(a), 'A');
  b = sorted(std::move(b), 'B');
  Drift drift{.test = kolmogorov_smirnov(a, b), .stability = stability_index(a, b)};
  drift.is_unlikely = drift.test.p_value < limits.alpha;
  drift.is_distant = drift.test.distance >= limits.distance;
  drift.is_unstable = drift.stability.value >= limits.stability;
  return drift;
}

}  // namespace oddity
