// The distribution of Kolmogorov's statistic.
#pragma once

#include <cstdint>

namespace oddity {

/// P(Dₙ > x), where Dₙ is the largest distance between the empirical distribution function of n
/// independent draws and the continuous one they are drawn from; n ≥ 1. Relative error below 1e-10
/// where n ≤ 140 or n·x² ≥ 2.2; absolute error below 1e-9 elsewhere, where the probability is above
/// .02; 0 where it is below 1e-320.
///
/// The method of each case is that of R. Simard and P. L'Ecuyer, "Computing the Two-Sided
/// Kolmogorov–Smirnov Distribution", Journal of Statistical Software 39 (2011), 11.
double kolmogorov_tail(uint64_t n, double x);

/// The ways it is computed, for the tests; each for 1/n < x < 1.
namespace kolmogorov {

/// P(Dₙ < x), exact: J. Marsaglia, W. W. Tsang and J. Wang, "Evaluating Kolmogorov's Distribution",
/// Journal of Statistical Software 8 (2003), 18. Takes (2nx)³·log n operations.
double exact(uint64_t n, double x);
/// P(Dₙ < x), to the third order in 1/√n: W. Pelz and I. J. Good, "Approximating the Lower
/// Tail-Areas of the Kolmogorov–Smirnov One-Sample Statistic", Journal of the Royal Statistical
/// Society B 38 (1976), 152–156.
double expansion(uint64_t n, double x);
/// P(Dₙ⁺ > x) of the one-sided statistic, exact: N. V. Smirnov's sum (Simard and L'Ecuyer, (15)),
/// n terms. Twice that is P(Dₙ > x) where x ≥ ½, and almost where it is small.
double one_sided_tail(uint64_t n, double x);

}  // namespace kolmogorov
}  // namespace oddity
