// How well scores tell anomalies from other images, where it is known which are which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace oddity {

/// A scored image of known class.
struct JudgedScore {
  double score = 0;  // finite
  bool is_anomaly = false;
  bool is_flagged = false;  // at or above the threshold; of no meaning where none is known
};

/// The figures of one ranking. All lie in [0, 1].
struct Figures {
  /// The chance that a random anomaly scores above a random other image, a tie counting half: the
  /// area under the ROC curve (Mann and Whitney's U over the number of pairs).
  double auroc = 0;
  /// Σ (Rₖ − Rₖ₋₁)·Pₖ over the distinct scores from the highest down, with the precision Pₖ and the
  /// recall Rₖ of what scores that or more (as scikit-learn's average_precision_score).
  double average_precision = 0;
  /// Anomalies among the n highest scores, over n, the number of anomalies: the precision there and
  /// the recall in one. Of equal scores those that come first in the table count first.
  double precision_at_n = 0;
  /// Anomalies among the flagged images over the flagged images; NaN where none is flagged.
  double precision = std::numeric_limits<double>::quiet_NaN();
  /// … over all anomalies.
  double recall = 0;
};

/// Scored images of known class from the highest score down, equal ones in the order they came in:
/// sorted once, every figure takes one pass.
class Ranking {
 public:
  /// Throws Error where a score is not finite, or there is no anomaly or nothing else: then there
  /// is nothing to tell apart.
  explicit Ranking(std::vector<JudgedScore> scores);

  size_t size() const { return marks_.size(); }
  size_t anomalies() const { return anomalies_; }
  size_t others() const { return size() - anomalies_; }
  /// Flagged images of each class.
  size_t flagged_anomalies() const { return flagged_anomalies_; }
  size_t flagged_others() const { return flagged_others_; }

  Figures figures() const;
  /// The same of a ranking in which image i of each class, counted from the highest score down,
  /// occurs so many times; the counts of each class sum up to its number of images. This is what
  /// the bootstrap asks for.
  Figures figures(std::span<const uint32_t> anomaly_counts,
                  std::span<const uint32_t> other_counts) const;

  /// Anomalies and others that score at least as much as the distinct scores, from (0, 0) on to
  /// all, one point a distinct score: what ROC and precision-recall curves are made of.
  struct Step {
    uint64_t anomalies = 0;
    uint64_t others = 0;
  };
  std::vector<Step> steps() const;

 private:
  std::vector<uint8_t> marks_;  // of each image: kAnomaly, kFlagged, kLastOfTie
  size_t anomalies_ = 0;
  size_t flagged_anomalies_ = 0;
  size_t flagged_others_ = 0;
};

}  // namespace oddity
