// Charts as SVG text, for a page that colours them: only classes, no colours of their own.
#pragma once

#include <span>
#include <string>

#include "detect/score_histogram.h"

namespace oddity {

/// Counts of scores, both axes logarithmic, with a line at the threshold (none where it is not
/// finite or not above 0). `training`, where it holds anything, is drawn as an outline, scaled to
/// as many images as the run has. Classes: grid, tick, run, flagged, training, threshold.
std::string histogram_svg(const ScoreHistogram& run, const ScoreHistogram& training,
                          double threshold);

/// The losses over the epochs, one value an epoch; `validation_loss` may be empty. Classes: grid,
/// tick, loss, validation; of a single epoch dot as well.
std::string loss_svg(std::span<const double> loss, std::span<const double> validation_loss);

}  // namespace oddity
