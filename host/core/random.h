// Counter-based random numbers: the same on every engine, machine and thread count.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace oddity {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). Number i
/// of stream s under key k depends on (k, s, i) alone.
class Philox {
 public:
  Philox(uint64_t key, uint64_t stream) : key_(key), stream_(stream) {}

  /// The block function: four 32-bit words from a 128-bit counter and a 64-bit key.
  static std::array<uint32_t, 4> block(std::array<uint32_t, 4> counter,
                                       std::array<uint32_t, 2> key);

  /// The next 32 bits.
  uint32_t operator()();
  /// Uniform in [0, 1), a multiple of 2^-24: exact in float32.
  float uniform() { return static_cast<float>((*this)() >> 8) * 0x1p-24f; }
  /// Uniform in [0, bound), bound > 0, without bias (Lemire's multiply and reject).
  uint32_t below(uint32_t bound);

 private:
  uint64_t key_;
  uint64_t stream_;
  uint64_t counter_ = 0;
  std::array<uint32_t, 4> buffer_{};
  int used_ = 4;
};

/// 0, 1 … n−1 in a random order (Fisher–Yates from the top).
std::vector<uint32_t> permutation(uint32_t n, Philox& random);

}  // namespace oddity
