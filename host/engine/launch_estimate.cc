#include "engine/launch_estimate.h"

#include <algorithm>

namespace oddity {

double bandwidth(const Card& card, int64_t working_set) {
  return working_set <= card.l2 ? kL2Bandwidth * card.memory : card.memory;
}

double launch_seconds(const PlannedLaunch& launch, const Card& card, double peak,
                      double bytes_a_second) {
  const double busy = std::min(
      1.0, static_cast<double>(launch.blocks()) / static_cast<double>(card.limits.multiprocessors));
  return std::max({kLaunchSeconds, static_cast<double>(launch.flop) / (peak * busy),
                   static_cast<double>(launch.bytes()) / bytes_a_second});
}

LaunchEstimate estimate(const PlannedLaunches& planned, const Card& card) {
  const double bytes_a_second = bandwidth(card, planned.memory);
  LaunchEstimate estimate;
  std::vector<double> done;  // when each is, where launches beside each other cost nothing
  double flop = 0;
  double bytes = 0;
  for (const PlannedLaunch& launch : planned.launches) {
    double begin = 0;
    for (const size_t before : launch.after) begin = std::max(begin, done[before]);
    estimate.launches.push_back(launch_seconds(launch, card, card.fp32, bytes_a_second));
    done.push_back(begin + estimate.launches.back());
    estimate.chain = std::max(estimate.chain, done.back());
    flop += static_cast<double>(launch.flop);
    bytes += static_cast<double>(launch.bytes());
  }
  estimate.work = std::max(flop / card.fp32, bytes / bytes_a_second);
  return estimate;
}

double most_images_per_second(const PlannedScorer& scorer, const Card& card) {
  const double peak = scorer.precision == Precision::fp16 ? card.tensor : card.fp32;
  const double seconds = std::max(static_cast<double>(scorer.launch.flop) / peak,
                                  static_cast<double>(scorer.launch.bytes()) / card.memory);
  return static_cast<double>(scorer.images) / seconds;
}

}  // namespace oddity
