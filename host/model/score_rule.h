// What a score is.
#pragma once

#include <string_view>

namespace oddity {

enum class ScoreKind {
  mse,    // mean over the H·W·C numbers of (x − reconstruction)²
  robust  // mean of the squared smoothed residual, per total variation
};
constexpr std::string_view name_of(ScoreKind kind) {
  return kind == ScoreKind::mse ? "mse" : "robust";
}

/// How images are scored. robust: mean b² / max(TV, variation_floor), where b is x − reconstruction
/// smoothed by [1 2 1]ᵀ[1 2 1]/16 in each channel, with zeros around, and TV the image's total
/// variation (data/variation.h). So an error that is spread counts more than one along the edges
/// that every image has, and an image that shows much may have more of it; the floor keeps images
/// that show almost nothing from being odd for that alone.
struct ScoreRule {
  ScoreKind kind = ScoreKind::mse;
  double variation_floor = 0;
  friend bool operator==(const ScoreRule&, const ScoreRule&) = default;
};

}  // namespace oddity
