#include "detect/kolmogorov.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>
#include <vector>

namespace oddity {
namespace {

constexpr double kPi = std::numbers::pi;

/// log k! − (k log k − k + log √(2πk)), k ≥ 1: Stirling's error, where the difference itself would
/// cancel.
double stirling_error(double k) {
  // Below this the series is not exact enough, and the difference does not lose much.
  constexpr double kSeries = 16;
  if (k < kSeries) {
    return std::lgamma(k + 1) - ((k + 0.5) * std::log(k) - k + 0.5 * std::log(2 * kPi));
  }
  const double k2 = k * k;
  return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - 1.0 / (1188 * k2)) / k2) / k2) / k2) /
         k;
}

/// A square matrix of numbers ≥ 0, times 2^exponent: its powers leave a double's range.
struct ScaledMatrix {
  size_t size = 0;
  std::vector<double> values;  // [size, size]
  int64_t exponent = 0;

  double& at(size_t i, size_t j) { return values[i * size + j]; }
  double at(size_t i, size_t j) const { return values[i * size + j]; }

  /// Brings the largest number to [½, 1), exactly.
  void rescale() {
    int shift = 0;
    std::frexp(*std::max_element(values.begin(), values.end()), &shift);
    for (double& value : values) value = std::ldexp(value, -shift);
    exponent += shift;
  }
};

ScaledMatrix product(const ScaledMatrix& a, const ScaledMatrix& b) {
  ScaledMatrix c{a.size, std::vector<double>(a.values.size()), a.exponent + b.exponent};
  for (size_t i = 0; i < a.size; ++i) {
    for (size_t k = 0; k < a.size; ++k) {
      for (size_t j = 0; j < a.size; ++j) c.at(i, j) += a.at(i, k) * b.at(k, j);
    }
  }
  c.rescale();
  return c;
}

ScaledMatrix power(ScaledMatrix base, uint64_t n) {
  ScaledMatrix result{base.size, std::vector<double>(base.values.size()), 0};
  for (size_t i = 0; i < base.size; ++i) result.at(i, i) = 1;
  for (; n > 0; n /= 2) {
    if (n % 2 == 1) result = product(result, base);
    if (n > 1) base = product(base, base);
  }
  return result;
}

/// Of Marsaglia, Tsang and Wang: [2k−1, 2k−1], h = k − nx.
ScaledMatrix step_matrix(size_t k, double h) {
  const size_t m = 2 * k - 1;
  ScaledMatrix matrix{m, std::vector<double>(m * m), 0};
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j <= std::min(i + 1, m - 1); ++j) matrix.at(i, j) = 1;
  }
  double h_power = h;
  for (size_t i = 0; i < m; ++i, h_power *= h) {
    matrix.at(i, 0) -= h_power;
    matrix.at(m - 1, m - 1 - i) -= h_power;
  }
  if (h > 0.5) matrix.at(m - 1, 0) += std::pow(2 * h - 1, static_cast<double>(m));
  for (size_t i = 0; i < m; ++i) {
    double factorial = 1;
    for (size_t j = std::min(i + 1, m - 1) + 1; j-- > 0;) {
      // What stands at (i, j) is divided by (i − j + 1)!.
      if (i + 1 > j) factorial *= static_cast<double>(i + 1 - j);
      matrix.at(i, j) /= factorial;
    }
  }
  return matrix;
}

}  // namespace

double kolmogorov::exact(uint64_t n, double x) {
  const double t = static_cast<double>(n) * x;
  const auto k = static_cast<size_t>(t) + 1;
  const ScaledMatrix steps = power(step_matrix(k, static_cast<double>(k) - t), n);
  const double centre = steps.at(k - 1, k - 1);
  // Times n!/nⁿ = e⁻ⁿ·√(2πn)·e^(Stirling's error). e⁻ⁿ and 2^exponent nearly cancel: log 2 is taken
  // in two parts, of which the first has so few digits that its product is exact.
  constexpr double kLog2High = 0x1.62e42feep-1;
  constexpr double kLog2Low = 0x1.a39ef35793c76p-33;
  const auto exponent = static_cast<double>(steps.exponent);
  const auto count = static_cast<double>(n);
  const double log_factor = (exponent * kLog2High - count) + exponent * kLog2Low;
  return std::min(
      1.0, centre * std::exp(log_factor + stirling_error(count)) * std::sqrt(2 * kPi * count));
}

double kolmogorov::expansion(uint64_t n, double x) {
  const double root = std::sqrt(static_cast<double>(n));
  const double z = root * x;
  const double z2 = z * z, z4 = z2 * z2, z6 = z4 * z2, z8 = z4 * z4;
  // Terms of k and −k, or of k + ½ and −k − ½, are equal. Those left out are below e⁻¹²⁸ of the
  // first.
  const int terms = static_cast<int>(std::ceil(16 * z / kPi)) + 1;
  double k0 = 0, k1 = 0, k2 = 0, k3 = 0;
  for (int k = terms; k-- > 0;) {
    const double a = kPi * (k + 0.5), a2 = a * a, a4 = a2 * a2, a6 = a4 * a2;
    const double weight = 2 * std::exp(-a2 / (2 * z2));
    k0 += weight;
    k1 += weight * (a2 - z2);
    k2 += weight * ((6 * z6 + 2 * z4) + (2 * z4 - 5 * z2) * a2 + (1 - 2 * z2) * a4);
    k3 += weight * (-30 * z6 - 90 * z8 + (135 * z4 - 96 * z6) * a2 + (212 * z4 - 60 * z2) * a4 +
                    (5 - 30 * z2) * a6);
  }
  double whole2 = 0, whole3 = 0;
  for (int k = terms; k > 0; --k) {
    const double a = kPi * k, a2 = a * a;
    const double weight = 2 * std::exp(-a2 / (2 * z2));
    whole2 += weight * a2;
    whole3 += weight * (3 * a2 * z2 - a2 * a2);
  }
  const double half_root = std::sqrt(kPi / 2);
  const double first = half_root / z * k0;
  const double second = half_root / (6 * z4) * k1;
  const double third = half_root * (k2 / (72 * z6 * z) - whole2 / (36 * z2 * z));
  const double fourth = half_root * (k3 / (6480 * z8 * z2) + whole3 / (216 * z6));
  const double probability = first + (second + (third + fourth / root) / root) / root;
  return std::clamp(probability, 0.0, 1.0);
}

double kolmogorov::one_sided_tail(uint64_t n, double x) {
  // x Σⱼ C(n,j)·pʲ·(1−p)ⁿ⁻ʲ/p, p = x + j/n, j = 0 … n(1−x): binomial probabilities, each from
  // Stirling's formula and the two deviances, whose parts do not cancel.
  const auto count = static_cast<double>(n);
  const double t = count * x;
  const double error = stirling_error(count);
  double sum = std::exp(count * std::log1p(-x)) / x;  // of j = 0
  for (uint64_t i = 1; static_cast<double>(i) + t < count; ++i) {
    const auto j = static_cast<double>(i);
    const double rest = count - j;
    const double deviance = (t - j * std::log1p(t / j)) + (-t - rest * std::log1p(-t / rest));
    const double log_probability = error - stirling_error(j) - stirling_error(rest) - deviance;
    sum += std::exp(log_probability) * std::sqrt(count / (2 * kPi * j * rest)) / (x + j / count);
  }
  return std::min(1.0, x * sum);
}

double kolmogorov_tail(uint64_t n, double x) {
  const auto count = static_cast<double>(n);
  const double t = count * x;
  if (t <= 0.5) return 1;
  if (x >= 1) return 0;
  if (t <= 1) return 1 - kolmogorov::exact(n, x);
  if (t >= count - 1) return 2 * std::pow(1 - x, count);
  const double t_x = t * x;
  const bool is_small = n <= 140;
  // Above these the two sides hardly ever pass the distance together.
  if (x >= 0.5 || t_x >= (is_small ? 4 : 2.2)) {
    constexpr double kVanishes = 370;  // 2e^(−2·370) is nothing a double holds
    return t_x >= kVanishes ? 0 : std::min(1.0, 2 * kolmogorov::one_sided_tail(n, x));
  }
  // The matrices are small where the expansion is not exact enough.
  const bool has_small_matrix = is_small || (n <= 100'000 && t * std::sqrt(x) <= 1.4);
  return 1 - (has_small_matrix ? kolmogorov::exact(n, x) : kolmogorov::expansion(n, x));
}

}  // namespace oddity
