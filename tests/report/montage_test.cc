#include "report/montage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "files/atomic_file.h"
#include "support/decoded_png.h"
#include "support/error_text.h"
#include "support/npy_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Gaps of the montage, in pixels.
constexpr uint32_t kInPair = 2;
constexpr uint32_t kBetweenRows = 6;
constexpr uint32_t kBetweenColumns = 24;
constexpr uint32_t kMargin = 12;
constexpr int kGround = 0xE5;

template <typename T>
ImageView view_of(const std::vector<T>& pixels, PixelType type, ImageShape shape) {
  return {reinterpret_cast<const std::byte*>(pixels.data()), type, shape,
          pixels.size() / static_cast<size_t>(shape.size())};
}

struct Montage {
  DecodedPng png;
  size_t shown = 0;
};

Montage montage(const ImageView& images, const std::vector<float>& reconstructions) {
  const TemporaryFolder folder;
  const size_t shown = write_montage(folder / "montage.png", images, reconstructions);
  return {read_png(folder / "montage.png"), shown};
}

/// `count` images of size × size, image i all of the value i % 200; black reconstructions.
Montage montage_of_squares(size_t count, int64_t size) {
  const auto numbers = static_cast<size_t>(size * size);
  std::vector<uint8_t> pixels(count * numbers);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i / numbers % 200);
  return montage(view_of(pixels, PixelType::u8, {size, size, 1}),
                 std::vector<float>(pixels.size()));
}

// golden/split/u8_roundtrip: what the reference draws for each of the 256 values of a pixel, once
// as the original and once as a reconstruction that is exact.
TEST(Montage, DrawsPixelsAsTheReferenceDoes) {
  const auto expected = read_npy_file<uint8_t>(golden("split/u8_roundtrip.npy")).values;
  std::vector<uint8_t> pixels(256);
  std::vector<float> reconstruction(256);
  for (size_t k = 0; k < 256; ++k) {
    pixels[k] = static_cast<uint8_t>(k);
    reconstruction[k] = static_cast<float>(k) / 255.0F;
  }
  const auto [png, shown] = montage(view_of(pixels, PixelType::u8, {16, 16, 1}), reconstruction);
  EXPECT_EQ(shown, 1u);
  constexpr uint32_t kFactor = 6;  // 16 → 96
  ASSERT_EQ(png.width, 2 * kMargin + 2 * 16 * kFactor + kInPair);
  ASSERT_EQ(png.height, 2 * kMargin + 16 * kFactor);
  ASSERT_EQ(png.channels, 1u);
  for (uint32_t y = 0; y < 16 * kFactor; ++y) {
    for (uint32_t x = 0; x < 16 * kFactor; ++x) {
      const int value = expected[y / kFactor * 16 + x / kFactor];
      ASSERT_EQ(png.at(kMargin + x, kMargin + y), value) << x << " " << y;
      ASSERT_EQ(png.at(kMargin + 16 * kFactor + kInPair + x, kMargin + y), value) << x << " " << y;
    }
  }
}

TEST(Montage, TruncatesWhatLiesBetweenTwoValues) {
  const std::vector<float> values{0.0F, .999999F, 1.0F, 100.9F / 255, 254.99F / 255, .5F};
  const std::vector<int> expected{0, 254, 255, 100, 254, 127};
  const auto [png, shown] = montage(view_of(values, PixelType::f32, {1, 6, 1}), values);
  for (uint32_t x = 0; x < 6; ++x) EXPECT_EQ(png.at(kMargin + 16 * x, kMargin), expected[x]) << x;
}

TEST(Montage, DrawsWhatNoImageShouldHoldAsTheNearestEnd) {
  const std::vector<uint8_t> black(4);
  const auto [png, shown] =
      montage(view_of(black, PixelType::u8, {1, 4, 1}), {-1.0F, 7.0F, std::nanf(""), INFINITY});
  const uint32_t right = kMargin + 4 * 24 + kInPair;
  for (const auto& [x, expected] : {std::pair{0u, 0}, {1u, 255}, {2u, 0}, {3u, 255}}) {
    EXPECT_EQ(png.at(right + 24 * x, kMargin), expected) << x;
  }
}

TEST(Montage, StacksAFewImagesAsTheReferenceDoes) {
  const auto [png, shown] = montage_of_squares(7, 28);
  EXPECT_EQ(shown, 7u);
  EXPECT_EQ(png.width, 2 * kMargin + 2 * 84 + kInPair) << "28 pixels are drawn as 84";
  EXPECT_EQ(png.height, 2 * kMargin + 7 * 84 + 6 * kBetweenRows);
  for (uint32_t i = 0; i < 7; ++i) {
    const uint32_t top = kMargin + i * (84 + kBetweenRows);
    for (const uint32_t inset : {0u, 83u}) {
      EXPECT_EQ(png.at(kMargin + inset, top + inset), static_cast<int>(i));
      EXPECT_EQ(png.at(kMargin + 84 + kInPair + inset, top + inset), 0) << "reconstruction " << i;
    }
    EXPECT_EQ(png.at(kMargin + 84, top), kGround) << "between original and reconstruction";
    EXPECT_EQ(png.at(kMargin, top - 1), kGround);
    EXPECT_EQ(png.at(kMargin, top + 84), kGround);
  }
}

TEST(Montage, GoesOnInColumns) {
  const auto [png, shown] = montage_of_squares(200, 28);
  EXPECT_EQ(shown, 200u);
  EXPECT_LT(std::max(png.width, png.height), 2000u);
  EXPECT_LT(std::max(png.width, png.height), 1.5 * std::min(png.width, png.height));
  const uint32_t column = 2 * 84 + kInPair + kBetweenColumns;
  const uint32_t rows = (png.height - 2 * kMargin + kBetweenRows) / (84 + kBetweenRows);
  for (uint32_t i = 0; i < 200; ++i) {
    EXPECT_EQ(png.at(kMargin + i / rows * column, kMargin + i % rows * (84 + kBetweenRows)),
              static_cast<int>(i));
  }
}

TEST(Montage, IsNeverLargerThanAPersonCanUse) {
  const auto [png, shown] = montage_of_squares(700, 4);
  EXPECT_EQ(shown, 500u);
  const auto [large_png, large_shown] = montage_of_squares(10, 1000);
  EXPECT_LT(large_shown, 10u);
  EXPECT_GE(large_shown, 5u);
  EXPECT_LT(size_t{large_png.width} * large_png.height, 20'000'000u);
  EXPECT_EQ(montage_of_squares(2, 2900).shown, 1u) << "one is always shown";
}

TEST(Montage, OfNothingIsBlank) {
  const auto [png, shown] = montage(ImageView{nullptr, PixelType::u8, {28, 28, 1}, 0}, {});
  EXPECT_EQ(shown, 0u);
  EXPECT_EQ(std::count(png.pixels.begin(), png.pixels.end(), kGround),
            static_cast<ptrdiff_t>(png.pixels.size()));
}

TEST(Montage, DrawsThreeChannelsInColour) {
  const std::vector<uint8_t> pixels{255, 0, 0, 0, 128, 255};
  const auto [png, shown] =
      montage(view_of(pixels, PixelType::u8, {1, 2, 3}), {0, 1, 0, 0.5F, 0.5F, 0.5F});
  ASSERT_EQ(png.channels, 3u);
  EXPECT_EQ(png.rgb(kMargin, kMargin), 0xFF0000u);
  EXPECT_EQ(png.rgb(kMargin + 48, kMargin), 0x0080FFu);
  EXPECT_EQ(png.rgb(kMargin + 96 + kInPair, kMargin), 0x00FF00u);
  EXPECT_EQ(png.rgb(kMargin + 96 + kInPair + 48, kMargin), 0x7F7F7Fu);
  EXPECT_EQ(png.rgb(0, 0), 0xE5E5E5u);
}

TEST(Montage, DrawsTheFirstOfAnyOtherNumberOfChannels) {
  const std::vector<uint16_t> pixels{65535, 1, 32768, 2};
  const auto [png, shown] = montage(view_of(pixels, PixelType::u16, {1, 2, 2}), {0, 1, .25F, 1});
  ASSERT_EQ(png.channels, 1u);
  EXPECT_EQ(png.at(kMargin, kMargin), 255);
  EXPECT_EQ(png.at(kMargin + 48, kMargin), 127);
  EXPECT_EQ(png.at(kMargin + 96 + kInPair, kMargin), 0);
  EXPECT_EQ(png.at(kMargin + 96 + kInPair + 48, kMargin), 63);
}

TEST(Montage, GivesTheSameBytesForTheSameInput) {
  const TemporaryFolder folder;
  const std::vector<uint8_t> pixels(31 * 33 * 3, 77);
  const std::vector<float> reconstructions(pixels.size(), .3F);
  for (const char* name : {"a.png", "b.png"}) {
    write_montage(folder / name, view_of(pixels, PixelType::u8, {31, 33, 1}), reconstructions);
  }
  EXPECT_EQ(read_file(folder / "a.png", 1 << 20), read_file(folder / "b.png", 1 << 20));
}

TEST(Montage, RefusesReconstructionsOfOtherImages) {
  const TemporaryFolder folder;
  const std::vector<uint8_t> pixels(2 * 28 * 28);
  EXPECT_THAT(
      error_text<Error>([&] {
        write_montage(folder / "a.png", view_of(pixels, PixelType::u8, {28, 28, 1}),
                      std::vector<float>(28 * 28));
      }),
      AllOf(HasSubstr("a.png"), HasSubstr("2 images of 28x28x1"), HasSubstr("784 numbers")));
  EXPECT_EQ(folder.entries(), 0u);
}

}  // namespace
}  // namespace oddity::test
