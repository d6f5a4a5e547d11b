#include "detect/quantile.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace oddity {

QuantilePosition quantile_position(uint64_t n, double q) {
  if (!(q >= 0 && q <= 1)) {
    throw ArgumentError("quantile {} is outside 0..1: use .999 to flag one image in a thousand",
                        shortest(q));
  }
  if (n == 0) throw Error("there are no scores to take a quantile of: the data set is empty");
  const uint64_t last = n - 1;
  const double h = static_cast<double>(last) * q;
  // Above 2^53 images h may round up to a rank that does not exist.
  const uint64_t lower = std::min(static_cast<uint64_t>(h), last);
  return {lower, std::min(lower + 1, last), h - static_cast<double>(lower)};
}

double quantile_lerp(double a, double b, double t) {
  const double difference = b - a;
  return t < 0.5 ? a + difference * t : b - difference * (1 - t);
}

double quantile(std::span<const float> scores, double q) {
  const QuantilePosition position = quantile_position(scores.size(), q);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      throw Error("the score of image {} is {}: are there NaN in the model's weights?", i,
                  shortest(scores[i]));
    }
  }
  std::vector<float> values(scores.begin(), scores.end());
  const auto lower = values.begin() + static_cast<ptrdiff_t>(position.lower);
  std::nth_element(values.begin(), lower, values.end());
  // What nth_element leaves behind `lower` is not smaller: the next order statistic is its minimum.
  const auto upper =
      position.upper == position.lower ? lower : std::min_element(lower + 1, values.end());
  return quantile_lerp(static_cast<double>(*lower), static_cast<double>(*upper), position.fraction);
}

double quantile(const Scores& scores, double q) {
  const QuantilePosition position = quantile_position(scores.size(), q);
  const std::vector<float> x = scores.select(std::array{position.lower, position.upper});
  const double value =
      quantile_lerp(static_cast<double>(x[0]), static_cast<double>(x[1]), position.fraction);
  if (!std::isfinite(value)) {
    throw Error("the quantile {} of the scores is {}: are there NaN in the model's weights?",
                shortest(q), shortest(value));
  }
  return value;
}

}  // namespace oddity
