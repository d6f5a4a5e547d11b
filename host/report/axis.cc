#include "report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

namespace oddity {
namespace {

constexpr double kMargin = 0.05;        // of the range on each side: curves do not touch the frame
constexpr int kMaxIntervals = 8;        // more ticks than that are hard to read at this size
constexpr int kMaxEpochIntervals = 10;  // their labels are short
constexpr double kLogarithmicRatio = 100;

/// 10^exponent, written: 10⁻³.
std::string power_of_ten(int exponent) {
  static constexpr std::string_view kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = "10";
  for (const char c : fmt::format("{}", exponent)) text += c == '-' ? "⁻" : kDigits[c - '0'];
  return text;
}

int decade(double value) { return static_cast<int>(std::floor(std::log10(value))); }

/// The smallest of 1, 2, 2.5, 5 times a power of ten that leaves at most `intervals` in `range`.
double tick_step(double range, int intervals) {
  const double rough = range / intervals;
  const double unit = std::pow(10, decade(rough));
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * unit >= rough * (1 - 1e-9)) return factor * unit;
  }
  return 10 * unit;
}

/// Decimals needed to write `step` exactly: steps have two digits at most.
int decimals_of(double step) {
  const int first = decade(step * (1 + 1e-9));
  const double mantissa = step / std::pow(10, first);
  const bool has_second_digit = std::abs(mantissa - std::round(mantissa)) > 1e-6;
  return std::max(0, -first + (has_second_digit ? 1 : 0));
}

void add_linear_ticks(Axis& axis) {
  const double step = tick_step(axis.high - axis.low, kMaxIntervals);
  // Values that would be written with many zeros share a power of ten.
  const double largest = std::max(std::abs(axis.low), std::abs(axis.high));
  const int exponent = largest < 1e-3 || largest >= 1e5 ? decade(largest) : 0;
  if (exponent != 0) axis.multiplier = "×" + power_of_ten(exponent);
  const double unit = std::pow(10, exponent);
  const int decimals = decimals_of(step / unit);
  // A range is a thousandth of its ends at least: their multiples of the step are small numbers.
  for (auto k = static_cast<int64_t>(std::ceil(axis.low / step));; ++k) {
    const double value = static_cast<double>(k) * step;
    if (value > axis.high) break;
    // + 0.0: no "-0.00".
    axis.ticks.push_back({value, fmt::format("{:.{}f}", value / unit + 0.0, decimals)});
  }
}

void add_logarithmic_ticks(Axis& axis) {
  const int first = static_cast<int>(std::ceil(std::log10(axis.low)));
  const int last = decade(axis.high);
  const int step = (last - first) / kMaxIntervals + 1;
  for (int k = first; k <= last; k += step) {
    axis.ticks.push_back({std::pow(10, k), power_of_ten(k)});
  }
}

}  // namespace

double Axis::position(double value) const {
  if (scale == Scale::logarithmic) {
    return (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
  }
  return (value - low) / (high - low);
}

Axis epoch_axis(size_t epochs) {
  Axis axis;
  const auto last = static_cast<double>(epochs);
  const double margin = epochs > 1 ? kMargin * (last - 1) : 0.5;
  axis.low = 1 - margin;
  axis.high = last + margin;
  // 2.5 and the like are no epochs, nor is 0.
  const double step = std::max(1.0, tick_step(std::max(1.0, last - 1), kMaxEpochIntervals));
  const auto whole_step = static_cast<size_t>(step == 2.5 ? 5 : step);
  for (size_t tick = whole_step; tick <= epochs; tick += whole_step) {
    axis.ticks.push_back({static_cast<double>(tick), fmt::format("{}", tick)});
  }
  return axis;
}

Axis value_axis(double smallest, double largest) {
  Axis axis;
  if (smallest > 0 && largest / smallest >= kLogarithmicRatio) {
    axis.scale = Scale::logarithmic;
    const double margin = std::exp((std::log(largest) - std::log(smallest)) * kMargin);
    // The ends of what a double holds leave no room for a margin.
    axis.low = std::max(smallest / margin, std::numeric_limits<double>::min());
    axis.high = std::min(largest * margin, std::numeric_limits<double>::max());
    add_logarithmic_ticks(axis);
    return axis;
  }
  const double range = largest - smallest;
  // Values that are (almost) one value get a range around it, so that ticks still differ.
  const double width = largest == 0 && range == 0 ? 1 : std::max(range, 1e-3 * std::abs(largest));
  const double middle = smallest + range / 2;
  axis.low = middle - width * (0.5 + kMargin);
  axis.high = middle + width * (0.5 + kMargin);
  add_linear_ticks(axis);
  return axis;
}

Axis logarithmic_axis(double low, double high) {
  Axis axis{.scale = Scale::logarithmic, .low = low, .high = high, .ticks = {}, .multiplier = {}};
  const double decades = std::log10(high / low);
  for (int exponent = static_cast<int>(std::floor(std::log10(low))); exponent <= std::log10(high);
       ++exponent) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1 && decades > 2.5) break;
      const double value = factor * std::pow(10, exponent);
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      axis.ticks.push_back({value, fmt::format("{:g}", value)});
    }
  }
  return axis;
}

}  // namespace oddity
