#include "report/png.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "support/decoded_png.h"
#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

Picture gradient(uint32_t width, uint32_t height, uint32_t channels) {
  Picture picture(width, height, channels);
  for (size_t i = 0; i < picture.pixels.size(); ++i) {
    picture.pixels[i] = static_cast<uint8_t>(i * 37 + i / 256);
  }
  return picture;
}

TEST(Png, ReadsBackAsItWas) {
  for (const uint32_t channels : {1u, 3u}) {
    for (const uint32_t side : {1u, 31u, 33u, 257u}) {
      const Picture picture = gradient(side, 2 * side - 1, channels);
      const DecodedPng decoded = decode_png(encode_png(picture));
      EXPECT_EQ(decoded.width, picture.width);
      EXPECT_EQ(decoded.height, picture.height);
      EXPECT_EQ(decoded.channels, channels);
      EXPECT_EQ(decoded.pixels, picture.pixels);
    }
  }
}

TEST(Png, HoldsNothingButPixels) {
  const std::string bytes = encode_png(gradient(300, 200, 3));
  for (const std::string& type : chunk_types(bytes)) {
    EXPECT_THAT(type, testing::AnyOf("IHDR", "IDAT", "IEND")) << "a date, perhaps?";
  }
  EXPECT_EQ(encode_png(gradient(300, 200, 3)), bytes);
}

TEST(Png, NamesTheFileItCannotWrite) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_text<Error>([&] { write_png(folder / "none" / "a.png", gradient(2, 2, 1)); }),
              testing::HasSubstr("none does not exist: create it first"));
  EXPECT_THAT(error_text<Error>([&] { write_png("/dev/full", gradient(2, 2, 1)); }),
              testing::HasSubstr("No space left on device"));
}

}  // namespace
}  // namespace oddity::test
