// PNG that are decoded at once: every filter, every number of channels, pixels in one chunk or
// many.
#include "images/plain_png.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/random.h"
#include "images/image_file.h"
#include "images/png_chunk.h"

namespace oddity::test {
namespace {

struct Made {
  int width;
  int height;
  int channels;
  std::vector<uint8_t> pixels;

  int at(int x, int y, int c) const {
    if (x < 0 || y < 0) return 0;
    return pixels[static_cast<size_t>((y * width + x) * channels + c)];
  }
};

Made make(int width, int height, int channels, uint64_t seed) {
  Made made{width, height, channels, {}};
  Philox random(seed, 0);
  for (int i = 0; i < width * height; ++i) {
    for (int c = 0; c < channels; ++c) {
      const bool alpha = channels % 2 == 0 && c == channels - 1;
      made.pixels.push_back(alpha ? 255 : static_cast<uint8_t>(random()));
    }
  }
  return made;
}

/// Rows filtered as the PNG specification (9.2) says, row y by filters[y % their number].
std::string filtered(const Made& image, const std::vector<int>& filters) {
  std::string bytes;
  for (int y = 0; y < image.height; ++y) {
    const int filter = filters[static_cast<size_t>(y) % filters.size()];
    bytes += static_cast<char>(filter);
    for (int x = 0; x < image.width; ++x) {
      for (int c = 0; c < image.channels; ++c) {
        const int a = image.at(x - 1, y, c);
        const int b = image.at(x, y - 1, c);
        const int corner = image.at(x - 1, y - 1, c);
        const int p = a + b - corner;
        const int nearest =
            std::abs(p - a) <= std::abs(p - b) && std::abs(p - a) <= std::abs(p - corner) ? a
            : std::abs(p - b) <= std::abs(p - corner)                                     ? b
                                                                                          : corner;
        const int predicted[] = {0, a, b, (a + b) / 2, nearest};
        bytes += static_cast<char>(image.at(x, y, c) - predicted[filter]);
      }
    }
  }
  return bytes;
}

std::string deflated(const std::string& bytes) {
  uLong size = ::compressBound(bytes.size());
  std::string packed(size, '\0');
  ::compress(reinterpret_cast<Bytef*>(packed.data()), &size,
             reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  packed.resize(size);
  return packed;
}

std::string png(const Made& image, const std::string& packed, size_t chunks) {
  constexpr char kColourTypes[] = {0, 0, 4, 2, 6};
  std::string header = big_endian(static_cast<uint32_t>(image.width)) +
                       big_endian(static_cast<uint32_t>(image.height));
  header += std::string{8, kColourTypes[image.channels], 0, 0, 0};
  std::string file = "\x89PNG\r\n\x1a\n" + chunk("IHDR", header);
  const size_t each = packed.size() / chunks + 1;
  for (size_t begin = 0; begin < packed.size(); begin += each) {
    file += chunk("IDAT", packed.substr(begin, each));
  }
  return file + chunk("IEND", "");
}

TEST(PlainPngTest, EveryFilterOfEveryKind) {
  ImageDecoder decoder;
  Image image;
  for (const int channels : {1, 2, 3, 4}) {
    for (const auto& [width, height] : {std::pair{1, 1}, {3, 5}, {33, 17}}) {
      for (const std::vector<int>& filters :
           std::vector<std::vector<int>>{{0}, {1}, {2}, {3}, {4}, {4, 3, 2, 1, 0}}) {
        const Made made = make(width, height, channels, 7);
        const std::string packed = deflated(filtered(made, filters));
        const int kept = channels % 2 == 0 ? channels - 1 : channels;
        for (const size_t chunks : {1, 3}) {
          decoder.decode(png(made, packed, chunks), {}, image);
          ASSERT_EQ(image.shape, (ImageShape{height, width, kept}));
          for (int y = 0; y < height; ++y) {
            for (int x = 0; x < width; ++x) {
              for (int c = 0; c < kept; ++c) {
                ASSERT_EQ(std::to_integer<int>(image.view().image(0)[(y * width + x) * kept + c]),
                          made.at(x, y, c))
                    << width << 'x' << height << 'x' << channels << " filter " << filters[0];
              }
            }
          }
        }
        // By itself, not only because the general decoder would do it too.
        EXPECT_TRUE(PlainPng().decode(packed, width, height, channels, image));
      }
    }
  }
}

TEST(PlainPngTest, LeavesWhatIsNotRightToTheGeneralDecoder) {
  const Made made = make(9, 7, 3, 8);
  const std::string whole = filtered(made, {0, 1});
  Image image;
  PlainPng plain;
  EXPECT_FALSE(plain.decode(deflated(whole.substr(1)), 9, 7, 3, image)) << "a byte too few";
  EXPECT_FALSE(plain.decode(deflated(whole + "x"), 9, 7, 3, image)) << "a byte too many";
  std::string strange = whole;
  strange[0] = 5;
  EXPECT_FALSE(plain.decode(deflated(strange), 9, 7, 3, image)) << "no such filter";
  std::string damaged = deflated(whole);
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  EXPECT_FALSE(plain.decode(damaged, 9, 7, 3, image)) << "wrong checksum";
  EXPECT_FALSE(plain.decode("", 9, 7, 3, image));
  EXPECT_TRUE(plain.decode(deflated(whole), 9, 7, 3, image));
}

}  // namespace
}  // namespace oddity::test
