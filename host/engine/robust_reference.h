// Robust scores (model/score_rule.h) in plain float64: what engines and exported files are held
// against.
#pragma once

#include <algorithm>
#include <span>

#include "core/shape.h"
#include "data/variation.h"

namespace oddity {

/// Of the image x [H, W, C] and its reconstruction.
inline double robust_score(std::span<const float> x, std::span<const float> y,
                           const ImageShape& shape, double variation_floor) {
  const auto residual = [&](int64_t row, int64_t column, int64_t channel) {
    if (row < 0 || row >= shape.height || column < 0 || column >= shape.width) return 0.0;
    const auto at = static_cast<size_t>((row * shape.width + column) * shape.channels + channel);
    return static_cast<double>(x[at]) - static_cast<double>(y[at]);
  };
  constexpr double kWeights[3] = {0.25, 0.5, 0.25};
  double sum = 0;
  for (int64_t row = 0; row < shape.height; ++row) {
    for (int64_t column = 0; column < shape.width; ++column) {
      for (int64_t channel = 0; channel < shape.channels; ++channel) {
        double smoothed = 0;
        for (int64_t i = 0; i < 3; ++i) {
          for (int64_t j = 0; j < 3; ++j) {
            smoothed += kWeights[i] * kWeights[j] * residual(row + i - 1, column + j - 1, channel);
          }
        }
        sum += smoothed * smoothed;
      }
    }
  }
  return sum / static_cast<double>(shape.size()) /
         std::max(total_variation(x, shape), variation_floor);
}

}  // namespace oddity
