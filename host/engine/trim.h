// Training that leaves out what may be odd.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace oddity {

/// Images of a batch of n that give no gradient (Network::train_epoch): ⌈trim · n⌉, at most n − 1;
/// .07 of 100 are 7, although the product of these floating-point numbers lies above.
inline int64_t images_left_out(double trim, int64_t n) {
  constexpr double kRounding = 1e-9;
  const double share = trim * static_cast<double>(n);
  return std::min(static_cast<int64_t>(std::ceil(share * (1 - kRounding))), n - 1);
}

}  // namespace oddity
