// The training curve.
#pragma once

#include <filesystem>
#include <span>

namespace oddity {

/// Throws ArgumentError unless the suffix is .png or .svg.
void check_plot_suffix(const std::filesystem::path& path);

/// Writes train and validation loss over the epochs, in the look of ggplot, as PNG or SVG by
/// suffix, the legend lower left as the reference has it unless it would hide a curve there. One
/// value an epoch; `validation_loss` may be empty. The same input gives the same bytes on the same
/// machine. Throws Error where there is no epoch, the lengths differ, a loss is not finite, or the
/// file cannot be written.
void write_loss_plot(const std::filesystem::path& path, std::span<const double> loss,
                     std::span<const double> validation_loss);

}  // namespace oddity
