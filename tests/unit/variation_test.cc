#include "data/variation.h"

#include <gtest/gtest.h>

#include <vector>

namespace oddity {
namespace {

TEST(VariationTest, SumsDifferencesOfNeighboursInEachChannel) {
  // Two rows of three pixels, two channels: .5 at one place of the second channel.
  std::vector<float> x(12);
  x[3] = 0.5f;  // row 0, column 1: two neighbours beside, one below
  EXPECT_DOUBLE_EQ(total_variation(x, {2, 3, 2}), 1e-3 + 3 * 0.5);
  x[0] = 0.25f;  // the first channel's corner: one beside, one below
  EXPECT_DOUBLE_EQ(total_variation(x, {2, 3, 2}), 1e-3 + 3 * 0.5 + 2 * 0.25);
}

TEST(VariationTest, IsNeverZero) {
  const std::vector<float> x(4, 0.7f);
  EXPECT_DOUBLE_EQ(total_variation(x, {2, 2, 1}), 1e-3);
  EXPECT_DOUBLE_EQ(total_variation({x.data(), 1}, {1, 1, 1}), 1e-3);
}

TEST(VariationTest, TheMedianIsBetweenTheMiddleTwo) {
  // Images of two pixels that differ by 0, 51, 255 and 102 of 255.
  const std::vector<uint8_t> pixels = {7, 7, 0, 51, 255, 0, 102, 0};
  const auto view = [&](size_t count) {
    return ImageView{
        reinterpret_cast<const std::byte*>(pixels.data()), PixelType::u8, {1, 2, 1}, count};
  };
  EXPECT_EQ(median_variation(view(0)), 0);
  EXPECT_NEAR(median_variation(view(3)), 1e-3 + 0.2, 1e-8);
  EXPECT_NEAR(median_variation(view(4)), 1e-3 + 0.3, 1e-8);
}

}  // namespace
}  // namespace oddity
