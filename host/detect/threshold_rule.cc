#include "detect/threshold_rule.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace oddity {

double top_k_threshold(uint64_t count, uint64_t k, const ScorePass& pass) {
  if (count == 0) throw Error("there are no scores to take the highest of");
  if (k == 0) return std::numeric_limits<double>::infinity();
  const uint64_t rank = count - std::min(k, count);
  return streamed_order_statistics(count, rank, rank, pass)[0];
}

double mad_threshold(uint64_t count, double multiple, const ScorePass& pass) {
  const double median = streamed_quantile(count, 0.5, pass);
  const double deviation = streamed_quantile(count, 0.5, [&](const auto& visit) {
    pass([&](float score) {
      visit(static_cast<float>(std::abs(static_cast<double>(score) - median)));
    });
  });
  // 1 / Φ⁻¹(3/4): the standard deviation of a normal distribution in units of its MAD.
  constexpr double kNormal = 1.482602218505602;
  return median + multiple * kNormal * deviation;
}

ConformalThreshold conformal_threshold(uint64_t count, const ScorePass& pass,
                                       std::span<const float> calibration, double rate) {
  std::vector<float> highest_first(calibration.begin(), calibration.end());
  std::sort(highest_first.begin(), highest_first.end(), std::greater<>());
  const size_t n = highest_first.size();
  // How many scores have 0, 1 … n of the calibration at or above them.
  std::vector<uint64_t> scores_at(n + 1);
  uint64_t seen = 0;
  pass([&](float score) {
    if (!std::isfinite(score)) {
      throw Error("score {} of {} is {}: are there NaN in the model's weights?", seen, count,
                  shortest(score));
    }
    const auto below =
        std::upper_bound(highest_first.begin(), highest_first.end(), score, std::greater<>());
    ++scores_at[static_cast<size_t>(below - highest_first.begin())];
    ++seen;
  });
  if (seen != count) throw Error("{} scores were announced, {} came", count, seen);

  const auto p_value = [&](size_t above) {
    return (static_cast<double>(above) + 1) / (static_cast<double>(n) + 1);
  };
  ConformalThreshold result{.threshold = std::numeric_limits<double>::infinity(),
                            .flagged = 0,
                            .smallest_p = p_value(0),
                            .least_needed = 0};
  const double needed = p_value(0) * static_cast<double>(count) / rate;
  result.least_needed = static_cast<uint64_t>(std::ceil(needed * (1 - 1e-12)));
  uint64_t rejected = 0;
  // p = 1 is never rejected.
  for (size_t above = 0; above < n; ++above) {
    rejected += scores_at[above];
    if (scores_at[above] == 0 ||
        p_value(above) * static_cast<double>(count) > rate * static_cast<double>(rejected)) {
      continue;
    }
    result.flagged = rejected;
    // Just above the highest calibration score that does not count as above them.
    result.threshold = static_cast<double>(
        std::nextafter(highest_first[above], std::numeric_limits<float>::infinity()));
  }
  return result;
}

}  // namespace oddity
