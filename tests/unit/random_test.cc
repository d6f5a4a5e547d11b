#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace oddity {
namespace {

// Known answers published with the authors' implementation (Random123, kat_vectors, philox4x32 10).
TEST(PhiloxTest, KnownAnswers) {
  using Block = std::array<uint32_t, 4>;
  EXPECT_EQ(Philox::block({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox::block({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      Philox::block({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, StreamsAndKeysAreIndependent) {
  Philox a(1, 0), b(1, 1), c(2, 0), a_again(1, 0);
  const uint32_t first = a();
  EXPECT_NE(first, b());
  EXPECT_NE(first, c());
  EXPECT_EQ(first, a_again());
}

TEST(PhiloxTest, UniformIsInRangeAndCentred) {
  Philox random(42, 7);
  double sum = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const float value = random.uniform();
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    sum += static_cast<double>(value);
  }
  // The mean of n uniforms has a standard deviation of 1/sqrt(12 n) = 0.0009; five of them.
  EXPECT_NEAR(sum / kCount, 0.5, 0.0046);
}

TEST(PermutationTest, HoldsEachNumberOnce) {
  Philox random(42, 0);
  for (const uint32_t n : {0u, 1u, 2u, 31u, 257u}) {
    std::vector<uint32_t> order = permutation(n, random);
    ASSERT_EQ(order.size(), n);
    std::sort(order.begin(), order.end());
    for (uint32_t i = 0; i < n; ++i) EXPECT_EQ(order[i], i);
  }
}

TEST(PermutationTest, EveryOrderOfThreeIsEquallyLikely) {
  Philox random(42, 1);
  int counts[27] = {};
  constexpr int kDraws = 60000;
  for (int i = 0; i < kDraws; ++i) {
    const std::vector<uint32_t> order = permutation(3, random);
    ++counts[order[0] * 9 + order[1] * 3 + order[2]];
  }
  // Binomial with p = 1/6: mean 10000, standard deviation 91; five of them.
  for (const int code : {5, 7, 11, 15, 19, 21}) EXPECT_NEAR(counts[code], kDraws / 6, 456);
}

}  // namespace
}  // namespace oddity
