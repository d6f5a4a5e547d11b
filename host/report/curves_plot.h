// How well scores tell anomalies from the rest, as a picture.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "detect/metrics.h"

namespace oddity {

enum class ThresholdPoint { none, shown };

/// Other scores of the same images, to be drawn beside; at most 2.
struct OtherCurves {
  std::string name;
  const Ranking* ranking = nullptr;
};

/// Writes the ROC curve and, beside it, precision over recall, in the look of the loss plot, as PNG
/// or SVG by suffix. The areas under both are in their legends, and what chance would give is drawn
/// with them: the diagonal, and the anomalies' share of the images. Ties are straight lines of the
/// ROC curve; precision holds from one recall to the next, as average precision counts it. A dot
/// stands where the flagged images do, unless there are none. The same ranking gives the same bytes
/// on the same machine. Throws ArgumentError for another suffix and for more than 2 `others`, Error
/// where the file cannot be written.
void write_curves_plot(const std::filesystem::path& path, const Ranking& ranking,
                       ThresholdPoint threshold, std::span<const OtherCurves> others = {});

}  // namespace oddity
