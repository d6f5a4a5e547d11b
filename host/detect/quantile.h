// Quantiles as NumPy computes them (method "linear"), in float64.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>

#include "engine/engine.h"

namespace oddity {

/// The two order statistics a quantile lies between, and where:
/// value = lerp(x(lower), x(upper), fraction), x(0) the smallest.
struct QuantilePosition {
  uint64_t lower = 0;
  uint64_t upper = 0;
  double fraction = 0;
};

/// h = (n−1)·q in float64, lower = floor(h), upper the next if there is one, fraction = h − lower.
/// Throws ArgumentError for q outside [0,1], Error for n = 0.
QuantilePosition quantile_position(uint64_t n, double q);

/// NumPy's lerp: a + (b−a)·t for t < ½, else b − (b−a)·(1−t); built without contraction to FMA.
double quantile_lerp(double a, double b, double t);

/// The quantile of `values` in ascending order. Throws as quantile_position() does.
double quantile_of_sorted(std::span<const double> values, double q);

/// np.quantile of float32 scores taken to float64, bit for bit. Throws ArgumentError for q outside
/// [0,1], Error for no scores or one that is not finite, naming its position where it is known.
double quantile(std::span<const float> scores, double q);
double quantile(const Scores& scores, double q);

/// Scores too many for memory: gives every one of them, in any order, to the function it is handed;
/// may be called again and again.
using ScorePass = std::function<void(const std::function<void(float)>&)>;

/// The order statistics of ranks `lower` ≤ `upper` of `count` scores, 0 the smallest; two passes
/// and about 2 MB whatever `count` is. Throws Error where a rank is not below `count`, a score is
/// not finite, there are not `count` of them, or others come in the second pass than in the first.
std::array<double, 2> streamed_order_statistics(uint64_t count, uint64_t lower, uint64_t upper,
                                                const ScorePass& pass);

/// quantile() of such scores. Throws ArgumentError for q outside [0,1], Error for no scores and as
/// streamed_order_statistics() does.
double streamed_quantile(uint64_t count, double q, const ScorePass& pass);

}  // namespace oddity
