#include "report/heat_map.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace oddity {

std::array<uint8_t, 3> heat_colour(double t) {
  constexpr double kStart = 0.5, kRotations = 0.35, kHue = 1.4;
  const double fraction = std::clamp(t, 0.0, 1.0);
  const double angle = 2 * std::numbers::pi * (kStart / 3 + kRotations * fraction);
  const double amplitude = kHue * fraction * (1 - fraction) / 2;
  const double c = std::cos(angle), s = std::sin(angle);
  const auto level = [&](double deviation) {
    const double value = std::clamp(fraction + amplitude * deviation, 0.0, 1.0);
    return static_cast<uint8_t>(std::lround(255 * value));
  };
  return {level(-0.14861 * c + 1.78277 * s), level(-0.29227 * c - 0.90649 * s), level(1.97294 * c)};
}

Picture heat_map(std::span<const float> errors, const ImageShape& shape) {
  const auto pixels = static_cast<size_t>(shape.height * shape.width);
  const auto channels = static_cast<size_t>(shape.channels);
  std::vector<double> means(pixels);
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < channels; ++c) {
      means[i] += static_cast<double>(errors[i * channels + c]) / static_cast<double>(channels);
    }
  }
  const double largest = *std::max_element(means.begin(), means.end());
  Picture picture(static_cast<uint32_t>(shape.width), static_cast<uint32_t>(shape.height), 3);
  for (size_t i = 0; i < pixels; ++i) {
    const auto colour = heat_colour(largest > 0 ? means[i] / largest : 0);
    std::copy(colour.begin(), colour.end(), picture.pixels.begin() + static_cast<int64_t>(i) * 3);
  }
  return picture;
}

}  // namespace oddity
