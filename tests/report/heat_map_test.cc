// Errors as colours.
#include "report/heat_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace oddity::test {
namespace {

/// Brightness as eyes see it (ITU-R BT.601), 0 to 255.
double brightness(const std::array<uint8_t, 3>& colour) {
  return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
}

TEST(HeatColour, BrightnessRisesEvenlyFromBlackToWhite) {
  EXPECT_EQ(heat_colour(0), (std::array<uint8_t, 3>{0, 0, 0}));
  EXPECT_EQ(heat_colour(1), (std::array<uint8_t, 3>{255, 255, 255}));
  EXPECT_EQ(heat_colour(-3), heat_colour(0));
  EXPECT_EQ(heat_colour(7), heat_colour(1));
  for (int i = 0; i <= 255; ++i) {
    // By construction it is t. Green's coefficients, of five digits, cancel to .009 of a deviation
    // of at most .15 · 255; rounding moves each channel by half a step.
    EXPECT_NEAR(brightness(heat_colour(i / 255.0)), i, 0.35 + 0.5) << i;
  }
}

TEST(HeatMap, TheLargestIsWhiteAndChannelsAreAveraged) {
  const std::vector<float> errors = {0, 0, 0, 0.1f, 0.2f, 0.3f};  // 1 × 2 pixels of 3 channels
  const Picture map = heat_map(errors, {1, 2, 3});
  EXPECT_EQ(map.width, 2u);
  EXPECT_EQ(map.channels, 3u);
  EXPECT_EQ(map.pixels, (std::vector<uint8_t>{0, 0, 0, 255, 255, 255}));
}

TEST(HeatMap, WithoutErrorsAllIsBlack) {
  EXPECT_EQ(heat_map(std::vector<float>(4), {2, 2, 1}).pixels, std::vector<uint8_t>(12));
}

TEST(Shrunk, AveragesBlocks) {
  Picture picture(5, 2, 1);
  picture.pixels = {0, 2, 4, 6, 9, 0, 2, 4, 6, 9};
  const Picture half = shrunk(picture, 3);  // blocks of 2 × 2, the last of 1 × 2
  EXPECT_EQ(half.width, 3u);
  EXPECT_EQ(half.height, 1u);
  EXPECT_EQ(half.pixels, (std::vector<uint8_t>{1, 5, 9}));
  EXPECT_EQ(shrunk(picture, 5).pixels, picture.pixels);
}

TEST(PictureOf, ShowsThreeChannelsOrTheFirst) {
  const std::vector<float> values = {0, 0.5f, 1, 1, 0, 0.25f};
  EXPECT_EQ(picture_of(values, {1, 2, 3}).pixels, (std::vector<uint8_t>{0, 127, 255, 255, 0, 63}));
  EXPECT_EQ(picture_of(values, {1, 3, 2}).pixels, (std::vector<uint8_t>{0, 255, 0}));
}

}  // namespace
}  // namespace oddity::test
