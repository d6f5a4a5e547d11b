// Python's `random` module, as far as drawing a data set takes it.
#pragma once

#include <bit>
#include <cstdint>
#include <random>
#include <span>
#include <utility>

#include "data/mersenne_twister.h"

namespace oddity {

/// The numbers of CPython's random.Random (3.2 and newer) after `random.seed(seed)`.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed) : generator_(seeded(seed)) {}

  /// random.getrandbits(bits), 1 ≤ bits ≤ 32.
  uint32_t bits(int bits) { return static_cast<uint32_t>(generator_()) >> (32 - bits); }

  /// random.randrange(bound), bound > 0: draws as many bits as `bound` has until they are below it.
  uint32_t below(uint32_t bound) {
    const int width = std::bit_width(bound);
    uint32_t drawn = bits(width);
    while (drawn >= bound) drawn = bits(width);
    return drawn;
  }

  /// random.shuffle(values); fewer than 2^32 of them.
  template <typename T>
  void shuffle(std::span<T> values) {
    for (size_t i = values.size(); i-- > 1;) {
      std::swap(values[i], values[below(static_cast<uint32_t>(i + 1))]);
    }
  }

 private:
  static std::mt19937 seeded(uint32_t seed) {
    InitByArray words(seed);
    return std::mt19937(words);
  }

  std::mt19937 generator_;
};

}  // namespace oddity
