// How the scores of a run are distributed, in memory that does not grow with their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace oddity {

/// Counts of scores in bins of equal width in log10(score), `kBinsADecade` a power of ten, from
/// 10^kFirstDecade to 10^kLastDecade; scores outside, 0 among them, count in the bin at that end.
class ScoreHistogram {
 public:
  static constexpr int kFirstDecade = -10;
  static constexpr int kLastDecade = 2;
  static constexpr int kBinsADecade = 40;
  static constexpr size_t kBins = size_t{kLastDecade - kFirstDecade} * kBinsADecade;

  ScoreHistogram() : counts_(kBins) {}

  /// A finite score.
  void add(float score) { ++counts_[bin_of(static_cast<double>(score))]; }

  const std::vector<uint64_t>& counts() const { return counts_; }
  uint64_t total() const;

  static size_t bin_of(double score);
  /// The score at which a bin begins; of kBins, where the last one ends.
  static double begin_of(size_t bin);

 private:
  std::vector<uint64_t> counts_;
};

}  // namespace oddity
