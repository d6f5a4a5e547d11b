// What a decoder leaves out where it knows what follows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
// jpeglib.h needs the line above.
#include <jpeglib.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "images/goldens.h"
#include "images/image_file.h"
#include "images/preprocessing.h"

namespace oddity::test {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

constexpr int64_t kWidth = 67;
constexpr int64_t kHeight = 45;

ImageShape decoded_shape(const std::string& file, const DecodeHints& hints) {
  ImageDecoder decoder;
  Image image;
  decoder.decode(file, hints, image);
  return image.shape;
}

TEST(DecodeHints, PartsOfTheSizeAreThoseOfPillow) {
  const std::string file = image_golden("photo.jpg");
  const std::string expected = image_golden("scaled.bin");
  std::istringstream lines(image_golden("scaled.txt"));
  size_t offset = 0;
  int64_t part = 0;
  ImageShape shape;
  int cases = 0;
  for (; lines >> part >> shape.width >> shape.height >> shape.channels; ++cases) {
    ImageDecoder decoder;
    Image image;
    decoder.decode(
        file,
        {.gray = shape.channels == 1, .least_width = shape.width, .least_height = shape.height},
        image);
    EXPECT_EQ(image.shape, shape) << part;
    const auto count = static_cast<size_t>(shape.size());
    // The same library; another release may round differently where it turns YCbCr into RGB.
    EXPECT_THAT(
        numbers_of(image),
        Pointwise(DoubleNear(1), numbers_of(PixelType::u8, expected.data() + offset, count)));
    offset += count;
  }
  EXPECT_EQ(cases, 8);
  EXPECT_EQ(offset, expected.size());
}

TEST(DecodeHints, NeitherExtentFallsBelowWhatIsAskedFor) {
  const std::string file = image_golden("photo.jpg");
  for (int64_t width = 1; width <= kWidth + 3; ++width) {
    for (int64_t height = 1; height <= kHeight + 3; height += 3) {
      int64_t part = 8;  // the largest that keeps both
      while (part > 1 &&
             ((kWidth + part - 1) / part < width || (kHeight + part - 1) / part < height)) {
        part /= 2;
      }
      const ImageShape shape = decoded_shape(file, {.least_width = width, .least_height = height});
      ASSERT_EQ(shape, (ImageShape{(kHeight + part - 1) / part, (kWidth + part - 1) / part, 3}))
          << width << "x" << height;
    }
  }
}

TEST(DecodeHints, ExtentsAreThoseAfterTurning) {
  // 29x19 in the file, 19x29 upright: half of it is 10x15.
  const std::string file = image_golden("turned6.jpg");
  EXPECT_EQ(decoded_shape(file, {.least_width = 10, .least_height = 15}), (ImageShape{15, 10, 3}));
  EXPECT_EQ(decoded_shape(file, {.least_width = 15, .least_height = 10}), (ImageShape{29, 19, 3}));
}

TEST(DecodeHints, OneExtentAloneIsTheFullSize) {
  const std::string file = image_golden("photo.jpg");
  EXPECT_EQ(decoded_shape(file, {.least_width = 1}), (ImageShape{kHeight, kWidth, 3}));
  EXPECT_EQ(decoded_shape(file, {.least_height = 1}), (ImageShape{kHeight, kWidth, 3}));
}

TEST(DecodeHints, OtherFormatsAreDecodedWhole) {
  for (const char* name : {"rgb8.png", "predictor.tif"}) {
    EXPECT_EQ(
        decoded_shape(image_golden(name), {.gray = true, .least_width = 1, .least_height = 1}),
        (ImageShape{7, 13, 3}));
  }
}

/// A JPEG of `colours` with arithmetic codes or Huffman's, stored without another colour space.
std::string encoded(J_COLOR_SPACE colours, bool arithmetic, const std::vector<uint8_t>& pixels) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = 16;
  info.image_height = 8;
  info.input_components = colours == JCS_RGB ? 3 : colours == JCS_GRAYSCALE ? 1 : 2;
  info.in_color_space = colours;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, colours);
  info.arith_code = arithmetic ? TRUE : FALSE;
  jpeg_set_quality(&info, 100, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<uint8_t*>(pixels.data()) +
                info.next_scanline * 16 * static_cast<unsigned>(info.input_components);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const std::string file(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  return file;
}

TEST(DecodeJpeg, RgbAndArithmeticCodesAreRead) {
  std::vector<uint8_t> pixels(16 * 8 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i % 3 * 60 + i / 6);
  for (const bool arithmetic : {false, true}) {
    ImageDecoder decoder;
    Image image;
    decoder.decode(encoded(JCS_RGB, arithmetic, pixels), {}, image);
    // The best quality loses but what rounding does, twice.
    EXPECT_THAT(numbers_of(image),
                Pointwise(DoubleNear(2), std::vector<double>(pixels.begin(), pixels.end())));
    decoder.decode(encoded(JCS_RGB, arithmetic, pixels), {.gray = true}, image);
    EXPECT_EQ(image.shape, (ImageShape{8, 16, 1}));
    std::vector<double> luma;
    for (size_t i = 0; i < pixels.size(); i += 3) {
      luma.push_back(.299 * pixels[i] + .587 * pixels[i + 1] + .114 * pixels[i + 2]);
    }
    EXPECT_THAT(numbers_of(image), Pointwise(DoubleNear(2.5), luma));  // rounded once more
  }
}

TEST(DecodeJpeg, TwoChannelsAreUnsupported) {
  EXPECT_EQ(refusal(encoded(JCS_UNKNOWN, false, std::vector<uint8_t>(16 * 8 * 2))),
            "unsupported: JPEG of 2 channels: convert it to grey or RGB");
}

// What is left after a crop is large enough for the filter: twice the target where the image is.
TEST(DecodeHints, LeaveTwiceTheTargetAfterTheCrop) {
  for (const ImageSize& target : {ImageSize{3, 1}, {1, 3}, {7, 5}, {5, 7}, {16, 16}, {40, 2}}) {
    const DecodeHints hints = decode_hints({.resize = target, .crop = true});
    for (int64_t width = hints.least_width; width < hints.least_width + 40; ++width) {
      for (int64_t height = hints.least_height; height < hints.least_height + 40; ++height) {
        // The largest part of the target's aspect ratio, rounded down.
        const int64_t cropped_width = std::min(width, height * target.width / target.height);
        const int64_t cropped_height = std::min(height, width * target.height / target.width);
        ASSERT_GE(cropped_width, 2 * target.width);
        ASSERT_GE(cropped_height, 2 * target.height);
      }
    }
  }
}

}  // namespace
}  // namespace oddity::test
