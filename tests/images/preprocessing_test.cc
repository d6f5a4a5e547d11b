#include "images/preprocessing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "images/goldens.h"
#include "support/error_text.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

template <typename T>
constexpr PixelType kTypeOf = std::is_same_v<T, uint8_t>    ? PixelType::u8
                              : std::is_same_v<T, uint16_t> ? PixelType::u16
                                                            : PixelType::f32;

template <typename T>
Image make_image(const ImageShape& shape, const std::vector<T>& numbers) {
  Image image;
  image.reset(kTypeOf<T>, shape);
  if (image.pixels.size() != numbers.size() * sizeof(T)) throw std::logic_error("another size");
  std::memcpy(image.pixels.data(), numbers.data(), image.pixels.size());
  return image;
}

/// The numbers that tests/images/golden/make.py calls `noise`.
std::vector<uint32_t> noise(size_t count, uint32_t largest) {
  std::vector<uint32_t> numbers(count);
  uint32_t state = 1;
  for (uint32_t& number : numbers) {
    state = state * 1664525 + 1013904223;
    number = (state >> 8) % (largest + 1);
  }
  return numbers;
}

Image noise_image(PixelType type, const ImageShape& shape) {
  const auto numbers =
      noise(static_cast<size_t>(shape.size()), type == PixelType::u8 ? 255 : 65535);
  if (type == PixelType::u8) return make_image<uint8_t>(shape, {numbers.begin(), numbers.end()});
  if (type == PixelType::u16) return make_image<uint16_t>(shape, {numbers.begin(), numbers.end()});
  std::vector<float> floats;
  for (const uint32_t number : numbers) floats.push_back(static_cast<float>(number) / 65536);
  return make_image<float>(shape, floats);
}

constexpr Preprocessing kGray{.resize = {}, .crop = false, .gray = true};
constexpr PixelType kTypes[] = {PixelType::u8, PixelType::u16, PixelType::f32};

TEST(Resize, IsThatOfPillow) {
  const std::string expected = image_golden("resized.bin");
  std::istringstream lines(image_golden("resized.txt"));
  std::string type;
  ImageShape from;
  ImageSize to;
  size_t offset = 0;
  size_t bytes = 0;
  size_t different_bytes = 0;
  while (lines >> type >> from.channels >> from.width >> from.height >> to.width >> to.height) {
    Image image = noise_image(type_of(type), from);
    Preprocessor(Preprocessing{.resize = to}).apply(image);
    ASSERT_EQ(image.shape, (ImageShape{to.height, to.width, from.channels}));
    const auto count = static_cast<size_t>(image.shape.size());
    const auto ours = numbers_of(image);
    const auto pillow = numbers_of(image.type, expected.data() + offset, count);
    offset += count * size_of(image.type);
    for (size_t i = 0; i < count; ++i) {
      // Pillow rounds 8 bits once more, between its two passes; it sums 16 bits and floats in
      // float64, where ours in float32 are off by some 2^-24 of each of a few dozen terms.
      const double tolerance = image.type == PixelType::f32 ? 1e-6 : 1;
      ASSERT_LE(std::abs(ours[i] - pillow[i]), tolerance) << type << " " << to.width << " " << i;
      if (image.type == PixelType::f32) continue;
      ++bytes;
      different_bytes += ours[i] != pillow[i];
    }
  }
  EXPECT_EQ(offset, expected.size());
  EXPECT_LT(different_bytes, bytes / 8);  // of which few are seen
}

/// Weights by their definition, in float64, for one axis.
double resized_at(const std::vector<double>& in, int64_t to, int64_t i) {
  const double scale = static_cast<double>(in.size()) / static_cast<double>(to);
  const double half_width = std::max(1.0, scale);
  const double centre = (static_cast<double>(i) + .5) * scale;
  double sum = 0;
  double weights = 0;
  for (size_t k = 0; k < in.size(); ++k) {
    const double weight =
        std::max(0.0, 1 - std::abs(static_cast<double>(k) + .5 - centre) / half_width);
    weights += weight;
    sum += weight * in[k];
  }
  return sum / weights;
}

TEST(Resize, IsTheTriangleFilter) {
  for (const int64_t from : {1, 2, 31, 33, 257}) {
    for (const int64_t to : {1, 3, 28, 100}) {
      if (from == to) continue;
      for (const bool upright : {false, true}) {
        Image image =
            noise_image(PixelType::f32, upright ? ImageShape{from, 1, 1} : ImageShape{1, from, 1});
        const auto in = numbers_of(image);
        const ImageSize size = upright ? ImageSize{1, to} : ImageSize{to, 1};
        Preprocessor(Preprocessing{.resize = size}).apply(image);
        const auto out = numbers_of(image);
        for (int64_t i = 0; i < to; ++i) {
          // float32 sums of up to 257 terms of weights that are float32 themselves.
          ASSERT_NEAR(out[static_cast<size_t>(i)], resized_at(in, to, i), 2e-6)
              << from << " " << to;
        }
      }
    }
  }
}

TEST(Resize, OneColourStaysWhatItIs) {
  for (const PixelType type : kTypes) {
    for (const ImageSize& to : {ImageSize{1, 1}, {3, 200}, {28, 28}, {151, 7}}) {
      Image image = noise_image(type, {33, 65, 3});
      std::vector<float> ones(static_cast<size_t>(image.shape.size()), 1.0F);
      if (type == PixelType::f32) {
        std::memcpy(image.pixels.data(), ones.data(), image.pixels.size());
      } else {
        std::fill(image.pixels.begin(), image.pixels.end(), std::byte{0xff});
      }
      const double white = numbers_of(image)[0];
      Preprocessor(Preprocessing{.resize = to}).apply(image);
      // Integers are rounded to what they were; floats are off by rounding, and never above 1.
      EXPECT_THAT(numbers_of(image),
                  testing::Each(AllOf(Ge(type == PixelType::f32 ? 1 - 1e-6 : white), Le(white))));
    }
  }
}

TEST(Resize, RowsOfMillionsOfNumbersAreTheSameSums) {
  // Wide enough to go row by row; a column of the same numbers is not.
  constexpr int64_t kExtent = (int64_t{1} << 20) + 1;
  Image wide = noise_image(PixelType::u16, {1, kExtent, 1});
  Image tall = wide;
  tall.shape = {kExtent, 1, 1};
  Preprocessor(Preprocessing{.resize = ImageSize{29, 1}}).apply(wide);
  Preprocessor(Preprocessing{.resize = ImageSize{1, 29}}).apply(tall);
  EXPECT_EQ(wide.pixels, tall.pixels);
}

TEST(Resize, WhatWouldBeTooLargeIsRefused) {
  Image image = noise_image(PixelType::u8, {2, 2, 3});
  Preprocessor preprocessor({.resize = ImageSize{65535, 65535}});
  EXPECT_THAT(error_text<ImageError>([&] { preprocessor.apply(image); }),
              HasSubstr("65535x65535x3 after resizing"));
}

TEST(Crop, KeepsTheLargestPartInTheMiddle) {
  struct Case {
    ImageShape from;
    ImageSize aspect;
    ImageShape kept;
    int64_t left, top;
  };
  for (const Case& c : {
           Case{{5, 9, 1}, {4, 4}, {5, 5, 1}, 2, 0},
           Case{{9, 5, 3}, {3, 3}, {5, 5, 3}, 0, 2},
           Case{{5, 8, 1}, {1, 1}, {5, 5, 1}, 1, 0},  // the odd pixel goes off at the right
           Case{{10, 10, 3}, {3, 7}, {10, 4, 3}, 3, 0},
           Case{{10, 10, 1}, {20, 10}, {5, 10, 1}, 0, 2},
           Case{{7, 1, 1}, {9, 1}, {1, 1, 1}, 0, 3},
           Case{{6, 4, 1}, {2, 3}, {6, 4, 1}, 0, 0},
       }) {
    for (const PixelType type : kTypes) {
      const Image from = noise_image(type, c.from);
      Image expected;
      expected.reset(type, c.kept);
      const size_t pixel = static_cast<size_t>(c.from.channels) * size_of(type);
      for (int64_t y = 0; y < c.kept.height; ++y) {
        std::memcpy(
            expected.pixels.data() + static_cast<size_t>(y * c.kept.width) * pixel,
            from.pixels.data() + static_cast<size_t>((y + c.top) * c.from.width + c.left) * pixel,
            static_cast<size_t>(c.kept.width) * pixel);
      }
      // The resize after it is the same of the part alone.
      Image cropped = from;
      Preprocessor(Preprocessing{.resize = c.aspect, .crop = true}).apply(cropped);
      Preprocessor(Preprocessing{.resize = c.aspect}).apply(expected);
      EXPECT_EQ(cropped.shape, expected.shape);
      EXPECT_EQ(cropped.pixels, expected.pixels) << to_string(c.from);
    }
  }
}

TEST(Gray, IsLuma) {
  Image bytes = make_image<uint8_t>({1, 5, 3}, {255, 0, 0, 0, 255, 0, 0, 0, 255,  //
                                                255, 255, 255, 10, 20, 30});
  Preprocessor gray(kGray);
  gray.apply(bytes);
  EXPECT_EQ(bytes.shape, (ImageShape{1, 5, 1}));
  EXPECT_THAT(numbers_of(bytes), ElementsAre(76, 150, 29, 255, 18));

  const Image rgb = noise_image(PixelType::u16, {33, 31, 3});
  const auto in = numbers_of(rgb);
  Image image = rgb;
  gray.apply(image);
  const auto out = numbers_of(image);
  for (size_t i = 0; i < out.size(); ++i) {
    // Rounding by half a level, and weights in 65536ths: each off by 2^-17 of 65535.
    ASSERT_NEAR(out[i], .299 * in[3 * i] + .587 * in[3 * i + 1] + .114 * in[3 * i + 2], .5 + 1.5);
  }
  Image white = make_image<uint16_t>({1, 1, 3}, {65535, 65535, 65535});
  gray.apply(white);
  EXPECT_THAT(numbers_of(white), ElementsAre(65535));

  Image floats = make_image<float>({1, 2, 3}, {1, 1, 1, .5F, .25F, 1});
  gray.apply(floats);
  EXPECT_THAT(numbers_of(floats),
              ElementsAre(testing::DoubleNear(1, 1e-7), testing::DoubleNear(.41025, 1e-7)));
  EXPECT_LE(numbers_of(floats)[0], 1);
}

TEST(Gray, OneChannelStaysAndOthersAreRefused) {
  Image image = noise_image(PixelType::u8, {3, 5, 1});
  const Image before = image;
  Preprocessor gray(kGray);
  gray.apply(image);
  EXPECT_EQ(image.pixels, before.pixels);
  Image two = noise_image(PixelType::u8, {3, 5, 2});
  EXPECT_THAT(error_text<ImageError>([&] { gray.apply(two); }), HasSubstr("has 2 channels"));
}

TEST(Preprocessing, DoneTwiceChangesNothingMore) {
  for (const Preprocessing& preprocessing :
       {Preprocessing{}, kGray, Preprocessing{.resize = ImageSize{28, 28}},
        Preprocessing{.resize = ImageSize{13, 7}, .crop = true},
        Preprocessing{.resize = ImageSize{9, 31}, .crop = true, .gray = true}}) {
    for (const PixelType type : kTypes) {
      Preprocessor preprocessor(preprocessing);
      Image image = noise_image(type, {33, 65, 3});
      preprocessor.apply(image);
      const Image once = image;
      preprocessor.apply(image);
      EXPECT_EQ(image.shape, once.shape);
      EXPECT_EQ(image.pixels, once.pixels);
    }
  }
}

TEST(Preprocessing, DoesNotDependOnWhatCameBefore) {
  Preprocessor kept({.resize = ImageSize{13, 7}, .crop = true, .gray = true});
  Image image;
  for (const ImageShape& shape :
       {ImageShape{33, 65, 3}, {5, 3, 1}, {33, 65, 3}, {65, 33, 3}, {7, 13, 1}, {100, 1, 1}}) {
    for (const PixelType type : kTypes) {
      const Image original = noise_image(type, shape);
      image = original;
      kept.apply(image);
      Image alone = original;
      Preprocessor({.resize = ImageSize{13, 7}, .crop = true, .gray = true}).apply(alone);
      EXPECT_EQ(image.shape, (ImageShape{7, 13, 1}));
      EXPECT_EQ(image.type, type);
      EXPECT_EQ(image.pixels, alone.pixels);
    }
  }
}

TEST(Preprocessing, SizesAreReadAsTheyAreSaid) {
  EXPECT_EQ(parse_image_size("28x28", "--resize"), (ImageSize{28, 28}));
  EXPECT_EQ(parse_image_size("65535x1", "--resize"), (ImageSize{65535, 1}));
  for (const char* text :
       {"", "28", "x", "28x", "x28", "0x28", "28x0", "65536x1", "-1x5", "+1x5", "28X28", "28x28x3",
        " 28x28", "28x28 ", "1e2x5", "99999999999999999999x1"}) {
    EXPECT_THAT(error_text<ArgumentError>([&] { parse_image_size(text, "--resize"); }),
                AllOf(HasSubstr("--resize: '" + std::string(text) + "' is not a size"),
                      HasSubstr("as in 28x28")));
  }
}

TEST(Preprocessing, IsDescribedInItsOrder) {
  EXPECT_EQ(describe({}), "none");
  EXPECT_EQ(describe({.resize = ImageSize{28, 14}, .crop = true, .gray = true}),
            "crop, gray, resize to 28x14");
  EXPECT_EQ(describe(kGray), "gray");
}

TEST(Preprocessing, HintsAreWhatItAllows) {
  const DecodeHints none = decode_hints({});
  EXPECT_FALSE(none.gray);
  EXPECT_EQ(none.least_width, 0);
  EXPECT_EQ(none.least_height, 0);
  const DecodeHints hints = decode_hints({.resize = ImageSize{28, 14}, .gray = true});
  EXPECT_TRUE(hints.gray);
  EXPECT_EQ(hints.least_width, 56);
  EXPECT_EQ(hints.least_height, 28);
}

}  // namespace
}  // namespace oddity::test
