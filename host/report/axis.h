// Axes of plots: their range, and ticks a person would choose.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace oddity {

struct Tick {
  double value = 0;
  std::string label;
};

enum class Scale { linear, logarithmic };

struct Axis {
  Scale scale = Scale::linear;
  double low = 0;  // the range, margins included; low < high
  double high = 1;
  std::vector<Tick> ticks;  // within the range, ascending
  std::string multiplier;   // of all labels, like "×10⁻⁵"; mostly empty

  /// Where `value` lies on the axis: 0 at its low end, 1 at its high end.
  double position(double value) const;
};

/// An axis of epochs 1 … epochs, ticks at whole epochs only.
Axis epoch_axis(size_t epochs);

/// The largest magnitude that an axis can show.
inline constexpr double kLargestOnAxis = 1e300;

/// An axis that shows the values smallest … largest. Linear, like the reference's, as long
/// as that shows something: positive values that span three powers of ten or more get a logarithmic
/// one.
Axis value_axis(double smallest, double largest);

/// A logarithmic axis from `low` to `high`, without margins: ticks at powers of ten and, where
/// these are few, at their doubles and fivefolds, written as short as they can be.
Axis logarithmic_axis(double low, double high);

}  // namespace oddity
