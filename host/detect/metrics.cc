#include "detect/metrics.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

constexpr uint8_t kAnomaly = 1;
constexpr uint8_t kFlagged = 2;
constexpr uint8_t kLastOfTie = 4;  // the next image scores less

double ratio(uint64_t part, uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Ranking::Ranking(std::vector<JudgedScore> scores) {
  for (const JudgedScore& image : scores) {
    if (!std::isfinite(image.score)) {
      throw Error("a score is {}: images without a score cannot be ranked", shortest(image.score));
    }
  }
  std::stable_sort(scores.begin(), scores.end(),
                   [](const JudgedScore& a, const JudgedScore& b) { return a.score > b.score; });
  marks_.reserve(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    const JudgedScore& image = scores[i];
    const bool is_last = i + 1 == scores.size() || scores[i + 1].score < image.score;
    marks_.push_back(static_cast<uint8_t>((image.is_anomaly ? kAnomaly : 0) |
                                          (image.is_flagged ? kFlagged : 0) |
                                          (is_last ? kLastOfTie : 0)));
    if (image.is_anomaly) ++anomalies_;
    if (image.is_flagged) ++(image.is_anomaly ? flagged_anomalies_ : flagged_others_);
  }
  if (anomalies_ == 0 || anomalies_ == size()) {
    throw Error(
        "{} images are anomalies, {} are others: there is nothing to tell apart without some of "
        "each",
        anomalies_, size() - anomalies_);
  }
}

Figures Ranking::figures() const {
  return figures(std::vector<uint32_t>(anomalies(), 1), std::vector<uint32_t>(others(), 1));
}

Figures Ranking::figures(std::span<const uint32_t> anomaly_counts,
                         std::span<const uint32_t> other_counts) const {
  const uint32_t* anomaly = anomaly_counts.data();
  const uint32_t* other = other_counts.data();
  uint64_t above[2] = {0, 0};  // others and anomalies that score more than this tie
  uint64_t tied[2] = {0, 0};   // … as much, as far as they are counted
  uint64_t flagged[2] = {0, 0};
  uint64_t left = anomalies();  // of the n highest
  uint64_t found = 0;           // anomalies among them
  uint64_t twice_wins = 0;      // pairs in which the anomaly scores more, a tie being one half
  double precisions = 0;        // Σ anomalies of a tie · precision behind it
  for (const uint8_t mark : marks_) {
    const bool is_anomaly = (mark & kAnomaly) != 0;
    const uint64_t count = is_anomaly ? *anomaly++ : *other++;
    tied[is_anomaly] += count;
    if (mark & kFlagged) flagged[is_anomaly] += count;
    const uint64_t high = std::min(count, left);
    left -= high;
    if (is_anomaly) found += high;
    if ((mark & kLastOfTie) == 0) continue;
    if (tied[1] > 0) {
      // 2 · others() · anomalies() fits for as many images as memory holds.
      twice_wins += tied[1] * (2 * (others() - above[0]) - tied[0]);
      const uint64_t reached = above[1] + tied[1];
      precisions += static_cast<double>(tied[1]) * ratio(reached, reached + above[0] + tied[0]);
    }
    for (const int side : {0, 1}) {
      above[side] += tied[side];
      tied[side] = 0;
    }
  }
  Figures figures;
  figures.auroc = ratio(twice_wins, 2 * uint64_t{anomalies()} * others());
  figures.average_precision = precisions / static_cast<double>(anomalies());
  figures.precision_at_n = ratio(found, anomalies());
  if (flagged[0] + flagged[1] > 0) figures.precision = ratio(flagged[1], flagged[0] + flagged[1]);
  figures.recall = ratio(flagged[1], anomalies());
  return figures;
}

std::vector<Ranking::Step> Ranking::steps() const {
  std::vector<Step> steps(1);
  Step reached;
  for (const uint8_t mark : marks_) {
    ++(mark & kAnomaly ? reached.anomalies : reached.others);
    if (mark & kLastOfTie) steps.push_back(reached);
  }
  return steps;
}

}  // namespace oddity
