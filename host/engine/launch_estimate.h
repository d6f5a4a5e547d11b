// How long planned launches take on a card at least, by what NVIDIA publishes of it: an estimate,
// never a measurement. A launch takes the longest of
//
//   kLaunchSeconds
//   FLOP / (peak · share of the multiprocessors that have a block)
//   bytes / bandwidth
//
// and a step, or the scores of a block, the longer of the longest chain of launches and of all work
// at full peaks, as launches beside each other share the card. Not in it: how far from its peaks a
// kernel stays, padding of tiles, what is not a product of a layer, shared memory, registers.
#pragma once

#include <vector>

#include "engine/cards.h"
#include "engine/launch_report.h"

namespace oddity {

/// From a launch of a graph to one that waits for it, and the shortest kernel between: an
/// assumption, of the order that such launches are known to take.
inline constexpr double kLaunchSeconds = 2e-6;

/// Bandwidth of L2, in those of device memory, for what fits into L2: an assumption, as
/// NVIDIA publishes it for the A100 alone (5,120 bytes a clock, 3.5 times its memory's).
inline constexpr double kL2Bandwidth = 3;

/// Bytes a second that a working set of so many bytes is read and written with.
double bandwidth(const Card& card, int64_t working_set);

/// One launch that has the card to itself, `peak` in FLOP/s and `bytes_a_second` its bandwidth.
double launch_seconds(const PlannedLaunch& launch, const Card& card, double peak,
                      double bytes_a_second);

struct LaunchEstimate {
  std::vector<double> launches;  // seconds of each alone
  double chain = 0;              // seconds of the longest chain
  double work = 0;               // seconds of all work at full peaks
  double seconds() const { return chain > work ? chain : work; }
};
LaunchEstimate estimate(const PlannedLaunches& planned, const Card& card);

/// Images a second that the scorer's products allow at most, and its device memory.
double most_images_per_second(const PlannedScorer& scorer, const Card& card);

}  // namespace oddity
