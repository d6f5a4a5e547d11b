#include "detect/quantile.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

/// How many scores have each value of the 16 bits that a pass looks at.
using Histogram = std::vector<uint64_t>;
constexpr size_t kBins = size_t{1} << 16;

/// The bits of a float in the order of its values: negative numbers lie with theirs reversed. −0
/// comes before 0, one of the orders in which equal numbers may stand.
uint32_t ordered_bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

float value_of_bits(uint32_t ordered) {
  return std::bit_cast<float>(ordered >> 31 ? ordered & 0x7FFFFFFFu : ~ordered);
}

/// The bin that holds an order statistic, and its rank among those in it. `rank` is below the sum
/// of the histogram.
struct Bin {
  uint32_t index = 0;
  uint64_t rank = 0;
};

Bin bin_of(const Histogram& histogram, uint64_t rank) {
  uint32_t index = 0;
  for (; rank >= histogram[index]; ++index) rank -= histogram[index];
  return {index, rank};
}

}  // namespace

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

double quantile_of_sorted(std::span<const double> values, double q) {
  const QuantilePosition position = quantile_position(values.size(), q);
  return quantile_lerp(values[position.lower], values[position.upper], position.fraction);
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

std::array<double, 2> streamed_order_statistics(uint64_t count, uint64_t lower_rank,
                                                uint64_t upper_rank, const ScorePass& pass) {
  if (upper_rank >= count || lower_rank > upper_rank) {
    throw Error("of {} scores there are no ranks {} and {}", count, lower_rank, upper_rank);
  }
  Histogram high(kBins);
  uint64_t seen = 0;
  pass([&](float score) {
    if (!std::isfinite(score)) {
      throw Error("score {} of {} is {}: are there NaN in the model's weights?", seen, count,
                  shortest(score));
    }
    ++high[ordered_bits(score) >> 16];
    ++seen;
  });
  if (seen != count) throw Error("a quantile of {} scores was asked for, {} came", count, seen);

  const Bin lower = bin_of(high, lower_rank);
  const Bin upper = bin_of(high, upper_rank);
  Histogram low_of_lower(kBins);
  Histogram low_of_upper(kBins);
  uint64_t seen_lower = 0;
  uint64_t seen_upper = 0;
  pass([&](float score) {
    const uint32_t bits = ordered_bits(score);
    if (bits >> 16 == lower.index) {
      ++low_of_lower[bits & 0xFFFF];
      ++seen_lower;
    }
    if (bits >> 16 == upper.index) {
      ++low_of_upper[bits & 0xFFFF];
      ++seen_upper;
    }
    --seen;
  });
  if (seen != 0 || seen_lower != high[lower.index] || seen_upper != high[upper.index]) {
    throw Error("the {} scores changed while their quantile was taken: let nothing write to them",
                count);
  }
  const auto value = [](const Bin& bin, const Histogram& low) {
    return static_cast<double>(value_of_bits(bin.index << 16 | bin_of(low, bin.rank).index));
  };
  return {value(lower, low_of_lower), value(upper, low_of_upper)};
}

double streamed_quantile(uint64_t count, double q, const ScorePass& pass) {
  const QuantilePosition position = quantile_position(count, q);
  const auto [lower, upper] =
      streamed_order_statistics(count, position.lower, position.upper, pass);
  return quantile_lerp(lower, upper, position.fraction);
}

}  // namespace oddity
