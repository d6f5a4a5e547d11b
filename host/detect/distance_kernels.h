// Squared distances between the rows of two small blocks: the inner loop of nearest_neighbours.cc,
// compiled once for each instruction set and chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace oddity {

/// Rows of a block.
inline constexpr size_t kDistanceRows = 32;
/// Numbers of a row of a block, at most: so many squares of what pixels differ by stay below 2^31
/// (8-bit pixels), and their float32 sums near rounding.
inline constexpr size_t kDistanceRun = 1024;
/// Rows are a multiple of this long, padded with zeros.
inline constexpr size_t kDistanceVector = 32;

/// One instruction set's loops. a and b [kDistanceRows][run], sums [kDistanceRows][kDistanceRows]:
/// sums[i][j] += Σ (a[i][p] − b[j][p])² over p < run; run is a multiple of kDistanceVector, at most
/// kDistanceRun. Differences are taken first: rows that are alike are exactly 0 apart, and those
/// that are nearly alike lose no digits.
struct DistanceKernels {
  /// Of numbers in [0, 255]: exact.
  void (*of_bytes)(const int16_t* a, const int16_t* b, size_t run, double* sums);
  /// Squares are rounded to float32, and so are their sums within a call.
  void (*of_floats)(const float* a, const float* b, size_t run, double* sums);
};

/// For this machine.
const DistanceKernels& distance_kernels();

}  // namespace oddity
