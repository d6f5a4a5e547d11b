#include "core/random.h"

#include <numeric>
#include <utility>

namespace oddity {

std::array<uint32_t, 4> Philox::block(std::array<uint32_t, 4> counter,
                                      std::array<uint32_t, 2> key) {
  // Multipliers and Weyl constants of Philox4x32 (Salmon et al., table 2 and section 4.2).
  constexpr uint64_t kMultiplier0 = 0xD2511F53;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9;
  constexpr uint32_t kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

uint32_t Philox::operator()() {
  if (used_ == 4) {
    buffer_ = block({static_cast<uint32_t>(counter_), static_cast<uint32_t>(counter_ >> 32),
                     static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32)},
                    {static_cast<uint32_t>(key_), static_cast<uint32_t>(key_ >> 32)});
    ++counter_;
    used_ = 0;
  }
  return buffer_[static_cast<size_t>(used_++)];
}

uint32_t Philox::below(uint32_t bound) {
  uint64_t product = uint64_t{(*this)()} * bound;
  if (static_cast<uint32_t>(product) < bound) {
    const uint32_t rejected = (0u - bound) % bound;  // 2^32 mod bound
    while (static_cast<uint32_t>(product) < rejected) product = uint64_t{(*this)()} * bound;
  }
  return static_cast<uint32_t>(product >> 32);
}

std::vector<uint32_t> permutation(uint32_t n, Philox& random) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  for (uint32_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace oddity
