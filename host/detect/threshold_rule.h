// Thresholds from the scores of a run, besides its quantile. All take scores too many for memory.
#pragma once

#include <cstdint>
#include <span>

#include "detect/quantile.h"

namespace oddity {

/// The k-th highest of `count` scores: at or above it lie k images, more where scores are equal to
/// it. For k = 0 infinity, for k ≥ count the lowest score. Throws Error for no scores, and as
/// streamed_order_statistics() does.
double top_k_threshold(uint64_t count, uint64_t k, const ScorePass& pass);

/// median + multiple · 1.4826 · MAD, where MAD is the median of |score − median|, taken in float32:
/// for normally distributed scores `multiple` standard deviations above their mean, and hardly
/// moved by outliers, as long as these are fewer than half (Hampel 1974; Leys et al. 2013). Throws
/// as streamed_quantile() does.
double mad_threshold(uint64_t count, double multiple, const ScorePass& pass);

/// What conformal testing gives.
struct ConformalThreshold {
  double threshold = 0;   // infinity where nothing is flagged
  uint64_t flagged = 0;   // scores at or above it
  double smallest_p = 0;  // 1/(n+1): that of a score above all of the calibration
  /// Scores above all of the calibration that there must be for any to be flagged.
  uint64_t least_needed = 0;
};

/// Each score's p-value is (1 + calibration scores at or above it) / (n + 1), n scores of held-out
/// normal images; flagged is what the step-up procedure of Benjamini and Hochberg (1995) rejects at
/// level `rate`. If the calibration images and the normal ones among the `count` images are drawn
/// alike, at most a share `rate` of the flagged ones is normal, in expectation (Bates, Candès, Lei,
/// Romano and Sesia, Annals of Statistics 2023). One pass. `calibration` is finite and not empty,
/// `rate` in (0,1). Throws Error where there are not `count` scores or one is not finite.
ConformalThreshold conformal_threshold(uint64_t count, const ScorePass& pass,
                                       std::span<const float> calibration, double rate);

}  // namespace oddity
