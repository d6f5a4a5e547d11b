#include "detect/score_histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace oddity {

uint64_t ScoreHistogram::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
}

size_t ScoreHistogram::bin_of(double score) {
  if (!(score > 0)) return 0;
  const double bin = std::floor((std::log10(score) - kFirstDecade) * kBinsADecade);
  return static_cast<size_t>(std::clamp(bin, 0.0, static_cast<double>(kBins - 1)));
}

double ScoreHistogram::begin_of(size_t bin) {
  return std::pow(10, kFirstDecade + static_cast<double>(bin) / kBinsADecade);
}

}  // namespace oddity
