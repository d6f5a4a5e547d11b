// How well scores tell anomalies from the rest, as a picture.
#pragma once

#include <filesystem>

#include "detect/metrics.h"

namespace oddity {

enum class ThresholdPoint { none, shown };

/// Writes the ROC curve and, beside it, precision over recall, in the look of the loss plot, as PNG
/// or SVG by suffix. The areas under both are in their legends, and what chance would give is drawn
/// with them: the diagonal, and the anomalies' share of the images. Ties are straight lines of the
/// ROC curve; precision holds from one recall to the next, as average precision counts it. A dot
/// stands where the flagged images do, unless there are none. The same ranking gives the same bytes
/// on the same machine. Throws ArgumentError for another suffix, Error where the file cannot be
/// written.
void write_curves_plot(const std::filesystem::path& path, const Ranking& ranking,
                       ThresholdPoint threshold);

}  // namespace oddity
