#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "report/axis.h"

namespace oddity {
namespace {

// The drawing's own units; the page scales it.
constexpr double kWidth = 640, kHeight = 240;
constexpr double kLeft = 56, kRight = 12, kTop = 12, kBottom = 32;
constexpr double kPanelWidth = kWidth - kLeft - kRight;
constexpr double kPanelHeight = kHeight - kTop - kBottom;
constexpr double kPanelBottom = kTop + kPanelHeight;
constexpr size_t kMostBars = 80;

double across(const Axis& axis, double value) { return kLeft + axis.position(value) * kPanelWidth; }
double up(const Axis& axis, double value) {
  return kPanelBottom - axis.position(value) * kPanelHeight;
}

std::string open_svg(std::string_view label) {
  return fmt::format("<svg viewBox=\"0 0 {:g} {:g}\" role=\"img\" aria-label=\"{}\">\n", kWidth,
                     kHeight, label);
}

std::string draw_axes(const Axis& x, const Axis& y) {
  std::string svg;
  for (const Tick& tick : x.ticks) {
    const double at = across(x, tick.value);
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:g}V{:g}\"/>", at, kTop, kPanelBottom);
    svg += fmt::format(
        "<text class=\"tick\" x=\"{:.1f}\" y=\"{:g}\" text-anchor=\"middle\">{}</text>\n", at,
        kPanelBottom + 18, tick.label);
  }
  for (const Tick& tick : y.ticks) {
    const double at = up(y, tick.value);
    svg +=
        fmt::format("<path class=\"grid\" d=\"M{:g} {:.1f}H{:g}\"/>", kLeft, at, kWidth - kRight);
    svg +=
        fmt::format("<text class=\"tick\" x=\"{:g}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
                    kLeft - 6, at + 4, tick.label);
  }
  if (!y.multiplier.empty()) {
    svg += fmt::format("<text class=\"tick\" x=\"{:g}\" y=\"{:g}\">{}</text>\n", kLeft + 4,
                       kTop + 10, y.multiplier);
  }
  return svg;
}

/// What is drawn as one bar.
struct Bar {
  double begin, end;  // scores
  double run;
  double training;
};

/// Neighbouring bins together, as many as leave at most kMostBars, from the first that holds
/// anything to the last.
std::vector<Bar> bars_of(const ScoreHistogram& run, const ScoreHistogram& training) {
  constexpr size_t kBins = ScoreHistogram::kBins;
  size_t first = kBins, last = 0;
  for (size_t i = 0; i < kBins; ++i) {
    if (run.counts()[i] == 0 && training.counts()[i] == 0) continue;
    first = std::min(first, i);
    last = i;
  }
  std::vector<Bar> bars;
  if (first == kBins) return bars;
  const double scale = training.total() == 0 ? 0
                                             : static_cast<double>(run.total()) /
                                                   static_cast<double>(training.total());
  const size_t together = (last - first + kMostBars) / kMostBars;
  for (size_t i = first; i <= last; i += together) {
    const size_t end = std::min(i + together, kBins);
    Bar bar{ScoreHistogram::begin_of(i), ScoreHistogram::begin_of(end), 0, 0};
    for (size_t k = i; k < end; ++k) {
      bar.run += static_cast<double>(run.counts()[k]);
      bar.training += scale * static_cast<double>(training.counts()[k]);
    }
    bars.push_back(bar);
  }
  return bars;
}

std::string curve(std::string_view kind, const Axis& x, const Axis& y,
                  std::span<const double> values) {
  std::string path;
  for (size_t i = 0; i < values.size(); ++i) {
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L",
                        across(x, static_cast<double>(i + 1)), up(y, values[i]));
  }
  // A single epoch is a curve without a length: round ends make it a dot.
  const bool is_dot = values.size() == 1;
  return fmt::format("<path class=\"{}{}\" d=\"{}{}\"/>\n", kind, is_dot ? " dot" : "", path,
                     is_dot ? "h0" : "");
}

}  // namespace

std::string histogram_svg(const ScoreHistogram& run, const ScoreHistogram& training,
                          double threshold) {
  const std::vector<Bar> bars = bars_of(run, training);
  if (bars.empty()) return {};
  const bool has_threshold = std::isfinite(threshold) && threshold > 0;
  double low = bars.front().begin, high = bars.back().end;
  if (has_threshold) {
    // A threshold far from all scores is not worth a chart that shows nothing else.
    if (threshold > low / 100) low = std::min(low, threshold / 1.05);
    if (threshold < high * 100) high = std::max(high, threshold * 1.05);
  }
  double most = 1;
  for (const Bar& bar : bars) most = std::max({most, bar.run, bar.training});
  // A single image is seen, too.
  const Axis x = logarithmic_axis(low, high), y = logarithmic_axis(0.7, most * 1.3);

  std::string svg = open_svg("Histogram of the scores") + draw_axes(x, y);
  for (const Bar& bar : bars) {
    if (bar.run == 0) continue;
    const double left = across(x, bar.begin), right = across(x, bar.end);
    const double top = up(y, bar.run);
    // Flagged bars lie above the threshold with at least their middle.
    const bool flagged = has_threshold && std::sqrt(bar.begin * bar.end) >= threshold;
    svg += fmt::format(
        "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
        flagged ? "flagged" : "run", left, top, std::max(right - left - 0.7, 0.7),
        kPanelBottom - top);
  }
  if (training.total() > 0) {
    std::string path;
    for (const Bar& bar : bars) {
      const double top = bar.training < y.low ? kPanelBottom : up(y, bar.training);
      path += fmt::format("{}{:.1f} {:.1f}H{:.1f}", path.empty() ? "M" : "L", across(x, bar.begin),
                          top, across(x, bar.end));
    }
    svg += fmt::format("<path class=\"training\" d=\"{}\"/>\n", path);
  }
  if (has_threshold && threshold >= low && threshold <= high) {
    svg += fmt::format("<path class=\"threshold\" d=\"M{:.1f} {:g}V{:g}\"/>\n",
                       across(x, threshold), kTop, kPanelBottom);
  }
  return svg + "</svg>";
}

std::string loss_svg(std::span<const double> loss, std::span<const double> validation_loss) {
  if (loss.empty()) return {};
  const auto [low, high] = std::minmax_element(loss.begin(), loss.end());
  double smallest = *low, largest = *high;
  for (const double value : validation_loss) {
    smallest = std::min(smallest, value);
    largest = std::max(largest, value);
  }
  const Axis x = epoch_axis(loss.size()), y = value_axis(smallest, largest);
  std::string svg = open_svg("Loss over the epochs") + draw_axes(x, y) + curve("loss", x, y, loss);
  if (!validation_loss.empty()) svg += curve("validation", x, y, validation_loss);
  return svg + "</svg>";
}

}  // namespace oddity
