#include "images/image_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "images/goldens.h"

namespace oddity::test {
namespace {

using namespace std::string_literals;

TEST(ImageFormat, IsKnownByTheFirstBytes) {
  using enum ImageFormat;
  EXPECT_EQ(image_format("\x89PNG\r\n\x1a\n"), png);
  EXPECT_EQ(image_format("\x89PNG\n"), png);  // damaged, and a PNG
  EXPECT_EQ(image_format("\xff\xd8\xff\xe0"), jpeg);
  for (const std::string& start : {"II*\0"s, "MM\0*"s, "II+\0"s, "MM\0+"s}) {
    EXPECT_EQ(image_format(start), tiff);
  }
  EXPECT_EQ(image_format("GIF89a"), gif);
  EXPECT_EQ(image_format("BM1234\0\0\0\0"s), bmp);
  EXPECT_EQ(image_format("RIFF1234WEBPVP8 "), webp);
  EXPECT_EQ(image_format("\0\0\0\x1c"
                         "ftypheic"s),
            heif);
  EXPECT_EQ(image_format("\0\0\0\x1c"
                         "ftypavif"s),
            heif);
  EXPECT_EQ(image_format("\0\0\0\x0cjP  \r\n\x87\n"s), jpeg2000);
  EXPECT_EQ(image_format("\xff\x4f\xff\x51"), jpeg2000);
  for (const std::string& other :
       {""s, "\x89PN"s, "\xff\xd8"s, "II*"s, "BMW is a car"s, "BM"s, "RIFF1234WAVEfmt "s,
        "\0\0\0\x1c"
        "ftypmp42"s,
        "%PDF-1.4"s}) {
    EXPECT_EQ(image_format(other), std::nullopt) << other;
  }
}

TEST(ImageFormat, SuffixesAreThoseOfImagesInAnyCase) {
  for (const char* name : {"a.png", "a.JPG", "b/c.jpeg", "x.Tif", "y.tiff", "a.webp", ".png"}) {
    EXPECT_TRUE(has_image_suffix(name)) << name;
  }
  for (const char* name : {"png", "a.png.txt", "a", "", "a.npy", "a.png/"}) {
    EXPECT_FALSE(has_image_suffix(name)) << name;
  }
}

class GoldenTest : public testing::TestWithParam<GoldenImage> {};

TEST_P(GoldenTest, HoldsWhatPillowOrItsMakerPutIn) {
  const GoldenImage& golden = GetParam();
  const std::string file = image_golden(golden.name);
  // libjpeg-turbo and Pillow's are the same library, bit for bit; another release may round
  // differently where it turns YCbCr into RGB.
  const double tolerance =
      golden.name.find("jpg") != std::string::npos || golden.name.find("jpeg") != std::string::npos
          ? 1
          : 0;
  ImageDecoder decoder;
  Image image;
  for (int pass = 0; pass < 2; ++pass) {  // the second in memory that was used before
    decoder.decode(file, {}, image);
    EXPECT_EQ(image.type, golden.type);
    EXPECT_EQ(image.shape, golden.shape);
    EXPECT_THAT(numbers_of(image),
                testing::Pointwise(testing::DoubleNear(tolerance), golden.numbers));
    std::fill(image.pixels.begin(), image.pixels.end(), std::byte{0xa5});
  }
}

// Whatever is missing at the end, and whichever byte is wrong: an ImageError or an image, and
// nothing on standard error.
TEST_P(GoldenTest, CutAndDamagedFilesAreRefusedOrRead) {
  const std::string file = image_golden(GetParam().name);
  ImageDecoder decoder;
  Image image;
  const auto decodes = [&](const std::string& bytes) {
    try {
      decoder.decode(bytes, {}, image);
      EXPECT_EQ(image.pixels.size(), static_cast<size_t>(image.shape.size()) * size_of(image.type));
      return true;
    } catch (const ImageError& error) {
      const std::string reason = error.what();
      EXPECT_FALSE(reason.empty());
      EXPECT_EQ(std::count(reason.begin(), reason.end(), '\n'), 0);
      return false;
    }
  };
  testing::internal::CaptureStderr();
  const bool tiff = image_format(file) == ImageFormat::tiff;  // its end may be of no importance
  for (size_t size = 0; size < file.size(); size += 1 + size / 16) {
    EXPECT_FALSE(decodes(file.substr(0, size)) && !tiff) << size << " of " << file.size();
  }
  EXPECT_FALSE(decodes(file.substr(0, file.size() - 1)) && !tiff);
  for (size_t at = 0; at < file.size(); at += 1 + at / 16) {
    std::string damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    decodes(damaged);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, testing::ValuesIn(golden_images()),
                         [](const auto& golden) {
                           std::string name = golden.param.name;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(ImageDecoder, GivesTheSameWhateverItDecodedBefore) {
  ImageDecoder decoder;
  Image image;
  const auto images = golden_images();
  for (size_t i = 0; i < images.size(); ++i) {
    const GoldenImage& golden = images[i * 53 % images.size()];
    decoder.decode(image_golden(golden.name), {}, image);
    ImageDecoder fresh;
    Image alone;
    fresh.decode(image_golden(golden.name), {}, alone);
    EXPECT_EQ(image.shape, alone.shape);
    EXPECT_EQ(image.pixels, alone.pixels) << golden.name;
  }
}

}  // namespace
}  // namespace oddity::test
