#include "data/pixels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/error.h"
#include "data/files.h"
#include "support/error_text.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ImageArray floats(ImageShape shape, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {PixelType::f32, shape, values.size() / static_cast<size_t>(shape.size()),
          std::move(bytes)};
}

TEST(Pixels, EveryByteBecomesItsShareOf255) {
  ImageArray images(PixelType::u8, {16, 16, 1}, 1);
  for (size_t k = 0; k < 256; ++k) images.data()[k] = static_cast<std::byte>(k);
  std::vector<float> out(256, std::nanf(""));
  to_float(images.view(), 0, out.data());
  const auto drawn = read_npy_file<uint8_t>(golden("split/u8_roundtrip.npy")).values;
  for (size_t k = 0; k < 256; ++k) {
    EXPECT_EQ(out[k], static_cast<float>(k) / 255.0f);
    // What the reference draws for pixel k after training has scaled it.
    EXPECT_EQ(static_cast<uint8_t>(out[k] * 255.0f), drawn[k]);
  }
}

TEST(Pixels, SixteenBitsKeepTheirRange) {
  ImageArray images(PixelType::u16, {1, 3, 1}, 2);
  const uint16_t values[] = {1, 2, 3, 0, 32768, 65535};
  std::memcpy(images.data(), values, sizeof(values));
  float out[3];
  to_float(images.view(), 1, out);
  EXPECT_EQ(out[0], 0.0f);
  EXPECT_EQ(out[1], 32768.0f / 65535.0f);
  EXPECT_EQ(out[2], 1.0f);
}

TEST(Pixels, FloatsAreTakenAsTheyAre) {
  const ImageArray images = floats({1, 1, 3}, {0, 0.25f, 1, 0.5f, 0.1f, 0.75f});
  float out[3];
  to_float(images.view(), 1, out);
  EXPECT_EQ(out[0], 0.5f);
  EXPECT_EQ(out[1], 0.1f);
  EXPECT_EQ(out[2], 0.75f);
}

TEST(Pixels, TheFirstBadFloatIsNamedWithItsPlace) {
  const float nan = std::nanf("");
  for (const auto& [value, text] :
       {std::pair{nan, "nan"}, {-nan, "nan"}, {HUGE_VALF, "inf"}, {-0.5f, "-0.5"}, {1.5f, "1.5"}}) {
    // Two rows of one column of three channels; the bad number is in image 1, row 1, channel 2.
    std::vector<float> values(18, 0.5f);
    values[6 + 3 + 2] = value;
    values[17] = nan;
    const ImageArray images = floats({2, 1, 3}, values);
    EXPECT_THAT(error_text<Error>([&] { check_finite(images.view(), "a.npy"); }),
                AllOf(HasSubstr("a.npy: image 1 holds"), HasSubstr(text),
                      HasSubstr("row 1, column 0, channel 2"), HasSubstr("[0,1]")))
        << value;
  }
}

TEST(Pixels, TheEndsOfTheRangeAreGood) {
  check_finite(floats({1, 2, 2}, {0, 1, -0.0f, std::numeric_limits<float>::denorm_min()}).view(),
               "a.npy");
  check_finite(ImageArray(PixelType::u8, {2, 2, 1}, 3).view(), "a.npy");
}

TEST(Pixels, ArraysStartAtZero) {
  const ImageArray images(PixelType::u16, {3, 5, 7}, 11);
  EXPECT_EQ(images.view().image_bytes(), 2u * 3 * 5 * 7);
  EXPECT_EQ(pixels_of<uint16_t>(images), std::vector<uint16_t>(3 * 5 * 7 * 11, 0));
}

TEST(Pixels, SizesThatCannotBeAreRefused) {
  const auto text = [](ImageShape shape, size_t count) {
    return error_text<Error>([&] { ImageArray(PixelType::u16, shape, count); });
  };
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(text({0, 28, 1}, 1), HasSubstr("28x0x1"));
  EXPECT_THAT(text({28, -28, 1}, 1), HasSubstr("-28x28x1"));
  EXPECT_THAT(text({28, 28, 0}, 1), HasSubstr("28x28x0"));
  EXPECT_THAT(text({kHuge, 1, 1}, 1), HasSubstr("larger than any memory"));
  EXPECT_THAT(text({1 << 20, 1 << 20, 4}, size_t{1} << 50), HasSubstr("larger than any memory"));
  EXPECT_THAT(text({1, 1, 1}, std::numeric_limits<size_t>::max()), HasSubstr("larger than any"));
  EXPECT_THAT(text({1 << 20, 1 << 20, 1 << 10}, 1), HasSubstr("larger than any memory"));
  EXPECT_THAT(error_text<Error>([] {
                ImageArray(PixelType::u8, {2, 2, 1}, 3, std::vector<std::byte>(11));
              }),
              AllOf(HasSubstr("12 bytes"), HasSubstr("got 11")));
}

}  // namespace
}  // namespace oddity::test
