// Whether two sets of scores are distributed alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace oddity {

/// The two-sample test of Kolmogorov and Smirnov.
struct KolmogorovSmirnov {
  double distance = 0;  // the largest difference between the two empirical distribution functions
  double p_value = 1;   // of so large a distance, or a larger, where there is no difference
};

/// Of sorted, finite scores, neither set empty. The p-value is P(Dₙ > distance) of the one-sample
/// statistic with n = |a|·|b| / (|a| + |b|), rounded (as scipy.stats.ks_2samp with method "asymp"),
/// but no less than 2 / C(|a| + |b|, |a|), the chance that all of one set lie above the other: the
/// formula knows no such limit, and would be sure of anything after a handful of images.
KolmogorovSmirnov kolmogorov_smirnov(std::span<const double> a, std::span<const double> b);

/// The population stability index.
struct StabilityIndex {
  double value = 0;
  size_t bins = 0;
};

/// Σ (bᵢ − aᵢ)·ln(bᵢ/aᵢ) over bins, of sorted, finite scores, neither set empty. The bins end at
/// the quantiles .1, .2 … .9 of `a`, a score at an end belonging to the bin below it, and the
/// first and the last have no outer end. Ends that ties make equal are one, so that there are fewer
/// bins. aᵢ and bᵢ are the shares of bin i, half a score being added to each: (count + ½) / (scores
/// + bins/2), so that an empty bin is a small share, smaller the more scores there are, and not an
/// infinite index.
StabilityIndex stability_index(std::span<const double> a, std::span<const double> b);

/// What is too much. A small sample must show a difference that chance hardly makes, a large one,
/// in which every difference shows, one that matters.
struct DriftLimits {
  double alpha = 0.001;    // of the p-value
  double distance = 0.1;   // of Kolmogorov and Smirnov
  double stability = 0.2;  // the usual limit of "a major change"
};

struct Drift {
  KolmogorovSmirnov test;
  StabilityIndex stability;
  bool is_unlikely = false;  // p-value < alpha
  bool is_distant = false;   // distance ≥ its limit
  bool is_unstable = false;  // index ≥ its limit

  bool found() const { return is_unlikely && (is_distant || is_unstable); }
};

/// How far the scores `b` have drifted from `a`, in any order. Throws Error where a set is empty or
/// a score is not finite.
Drift measure_drift(std::vector<double> a, std::vector<double> b, const DriftLimits& limits);

}  // namespace oddity
