// NumPy's legacy random numbers (numpy.random.RandomState), as far as a data set and its split take
// them. NumPy keeps these streams frozen (NEP 19).
#pragma once

#include <bit>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace oddity {

/// The numbers of numpy.random.RandomState(seed), or of numpy.random after `seed(seed)`.
class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) : generator_(seed) {}

  /// The next 32 bits of the Mersenne Twister.
  uint32_t word() { return static_cast<uint32_t>(generator_()); }

  /// Uniform in [0, largest]: words under the smallest mask that covers `largest`, until one fits.
  uint32_t up_to(uint32_t largest) {
    if (largest == 0) return 0;
    const uint32_t mask = UINT32_MAX >> std::countl_zero(largest);
    uint32_t drawn = word() & mask;
    while (drawn > largest) drawn = word() & mask;
    return drawn;
  }

  /// shuffle(values), also of the rows of an array; at most 2^32 of them.
  template <typename T>
  void shuffle(std::span<T> values) {
    for (size_t i = values.size(); i-- > 1;) {
      std::swap(values[i], values[up_to(static_cast<uint32_t>(i))]);
    }
  }

  /// permutation(n).
  std::vector<uint32_t> permutation(uint32_t n) {
    std::vector<uint32_t> values(n);
    std::iota(values.begin(), values.end(), 0u);
    shuffle(std::span(values));
    return values;
  }

 private:
  std::mt19937 generator_;
};

}  // namespace oddity
