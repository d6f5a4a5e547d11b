// Seeding of the Mersenne Twister MT19937 that the standard library does not offer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <random>

namespace oddity {

/// A seed sequence for std::mt19937: init_by_array with a key of one word (Matsumoto and Nishimura,
/// mt19937ar.c, 2002), which is how Python seeds from an integer below 2^32.
class InitByArray {
 public:
  using result_type = uint32_t;
  explicit InitByArray(uint32_t key) : key_(key) {}

  template <typename Iterator>
  void generate(Iterator begin, Iterator end) const {
    const auto n = static_cast<uint32_t>(std::distance(begin, end));
    begin[0] = 19650218;
    for (uint32_t i = 1; i < n; ++i) begin[i] = 1812433253 * mixed(begin[i - 1]) + i;
    uint32_t i = 1;
    // Wraps around: the last word also stands before the first.
    const auto advance = [&] {
      if (++i == n) {
        begin[0] = begin[n - 1];
        i = 1;
      }
    };
    for (uint32_t k = 0; k < n; ++k, advance()) {
      begin[i] = (begin[i] ^ (mixed(begin[i - 1]) * 1664525)) + key_;
    }
    for (uint32_t k = 1; k < n; ++k, advance()) {
      begin[i] = (begin[i] ^ (mixed(begin[i - 1]) * 1566083941)) - i;
    }
    begin[0] = 0x80000000;
  }

 private:
  static uint32_t mixed(uint32_t word) { return word ^ (word >> 30); }

  uint32_t key_;
};

}  // namespace oddity
