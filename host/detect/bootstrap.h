// How far the figures of a ranking can be trusted: percentile intervals of the bootstrap (Efron,
// "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>

#include "core/random.h"
#include "detect/metrics.h"

namespace oddity {

struct Interval {
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

/// 95 % intervals of a ranking's figures.
struct FigureIntervals {
  Interval auroc;
  Interval average_precision;
  Interval precision_at_n;
  Interval precision;  // over the replicates in which an image is flagged; NaN where in none
  Interval recall;
};

struct BootstrapOptions {
  uint32_t replicates = 1000;  // 1 to 2^20 − 1
  uint64_t seed = 42;
  int threads = 1;  // the result does not depend on it
};

/// Each replicate draws as many anomalies as there are from the anomalies, and as many others from
/// the others, with replacement: none is without either class. Replicate r draws from the random
/// stream r of `seed`. The interval is from the quantile .025 to .975 of the replicates' figures.
/// `pause` is called from this thread every few replicates and may throw, to stop the work. Throws
/// ArgumentError for another number of replicates, Error for 2^32 images of a class or more.
FigureIntervals bootstrap(
    const Ranking& ranking, const BootstrapOptions& options,
    const std::function<void()>& pause = [] {});

/// One replicate: how often each image of a class of `counts.size()` is drawn in as many draws.
void draw_counts(Philox& random, std::span<uint32_t> counts);

}  // namespace oddity
