// Files that are no images, or none that can be used: what becomes of each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

#include "images/goldens.h"
#include "images/image_file.h"
#include "images/png_chunk.h"

namespace oddity::test {
namespace {

using namespace std::string_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kSignature = "\x89PNG\r\n\x1a\n";

std::string header(uint32_t width, uint32_t height, char depth, char colour) {
  return kSignature +
         chunk("IHDR", big_endian(width) + big_endian(height) + depth + colour + "\0\0\0"s);
}

TEST(BadImage, Empty) { EXPECT_EQ(refusal(""), "truncated: the file is empty"); }

TEST(BadImage, NoImage) {
  EXPECT_EQ(
      refusal("hello\n\x1b world, this goes on"),
      "not-an-image: neither PNG, JPEG nor TIFF: it begins with \"hello\\x0a\\x1b world, t\"");
  EXPECT_THAT(refusal("a"), StartsWith("not-an-image: "));
  EXPECT_THAT(refusal(std::string(1000, '\0')), StartsWith("not-an-image: "));
}

TEST(BadImage, FormatsThatAreNotReadAreNamed) {
  EXPECT_EQ(refusal("GIF89a.."), "unsupported: GIF: convert it to PNG");
  EXPECT_EQ(refusal("BM1234\0\0\0\0"s), "unsupported: BMP: convert it to PNG");
  EXPECT_EQ(refusal("RIFF1234WEBPVP8 "), "unsupported: WebP: convert it to PNG");
  EXPECT_EQ(refusal("\0\0\0\x1c"
                    "ftypheic"s),
            "unsupported: HEIF: convert it to PNG");
  EXPECT_EQ(refusal("\xff\x4f\xff\x51"), "unsupported: JPEG 2000: convert it to PNG");
}

TEST(BadImage, FilesOfMoreThanTheLimit) {
  // Never touched: the system gives the pages when they are read.
  EXPECT_THAT(refusal(std::string(kMaxImageFile + 1, '\0')),
              StartsWith("too-large: 268435457 bytes: files of more than 268435456"));
}

TEST(BadPng, EveryCutIsTruncated) {
  for (const char* name : {"grey8.png", "many_idat.png", "turned6_rgb8.png"}) {
    const std::string file = image_golden(name);
    for (size_t size = 4; size < file.size(); ++size) {
      ASSERT_THAT(refusal(file.substr(0, size)), StartsWith("truncated: ")) << name << " " << size;
    }
    EXPECT_EQ(refusal(file + "what follows is not read"), "(no error)");
  }
}

TEST(BadPng, EveryFlippedBitIsNoticed) {
  // Not one byte of a PNG is without a checksum.
  for (const char* name : {"grey8.png", "key_palette.png", "many_idat.png", "turned6_rgb8.png"}) {
    const std::string file = image_golden(name);
    for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
      std::string damaged = file;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      ASSERT_NE(refusal(damaged), "(no error)") << name << " bit " << bit;
    }
  }
}

TEST(BadPng, DamageIsUnreadable) {
  std::string file = image_golden("grey8.png");
  file[file.size() - 13] ^= 1;  // of the checksum itself
  EXPECT_THAT(refusal(file), AllOf(StartsWith("unreadable: damaged PNG: "), HasSubstr("checksum")));
  EXPECT_EQ(refusal("\x89PNG\n\x1a\n" + file.substr(8)),
            "unreadable: damaged: its first bytes are not those of a PNG");
  // The right checksum of the chunk, and the wrong one of what it unpacks to.
  const std::string good = image_golden("grey8.png");
  const size_t at = good.find("IDAT");
  const size_t length =
      static_cast<uint8_t>(good[at - 1]) + 256u * static_cast<uint8_t>(good[at - 2]);
  std::string data = good.substr(at + 4, length);
  data.back() ^= 1;
  EXPECT_THAT(refusal(good.substr(0, at - 4) + chunk("IDAT", data) + chunk("IEND", "")),
              StartsWith("unreadable: damaged PNG: "));
}

TEST(BadPng, TheChecksumOfItsOrientationCounts) {
  std::string file = image_golden("turned6_grey8.png");
  file[file.find("eXIf") + 20] ^= 1;
  EXPECT_EQ(refusal(file), "unreadable: damaged PNG: wrong checksum of its chunk eXIf");
}

TEST(BadPng, DamagedTransparencyIsNotLeftOut) {
  const std::string good = image_golden("rgb8.png");
  const size_t at = good.find("IDAT") - 4;
  EXPECT_THAT(refusal(good.substr(0, at) + chunk("tRNS", "abc") + good.substr(at)),
              StartsWith("unreadable: damaged PNG: "));
}

TEST(BadPng, DeclaredSizesAreHeldAgainstTheBytes) {
  const std::string rest = chunk("IDAT", std::string(100, 'x')) + chunk("IEND", "");
  EXPECT_EQ(refusal(header(16000, 16000, 8, 0) + rest),
            "truncated: declares 16000x16000, for which 100 bytes are too few");
  EXPECT_THAT(refusal(header(60000, 60000, 8, 2) + rest), StartsWith("too-large: 60000x60000x3: "));
  EXPECT_THAT(refusal(header(0x7fffffff, 0x7fffffff, 16, 6) + rest), StartsWith("too-large: "));
  EXPECT_THAT(refusal(header(0, 5, 8, 0) + rest), StartsWith("unreadable: "));
  EXPECT_THAT(refusal(header(5, 5, 3, 0) + rest), StartsWith("unreadable: "));
}

TEST(BadPng, UnknownCriticalChunksAreUnsupported) {
  const std::string good = image_golden("grey8.png");
  const size_t at = good.find("IDAT") - 4;
  EXPECT_THAT(refusal(good.substr(0, at) + chunk("ODDT", "x") + good.substr(at)),
              StartsWith("unsupported: "));
}

TEST(BadPng, Transparency) {
  for (const char* name : {"grey_alpha", "rgb_alpha16", "key_grey1", "key_rgb8", "key_palette"}) {
    EXPECT_EQ(refusal(image_golden("transparent_"s + name + ".png")),
              "unsupported: has transparency: flatten it onto a background first")
        << name;
  }
}

TEST(BadJpeg, EveryCutIsTruncated) {
  for (const char* name : {"grey.jpg", "colour_420.jpg", "progressive.jpg", "turned6.jpg"}) {
    const std::string file = image_golden(name);
    for (size_t size = 4; size < file.size(); ++size) {
      ASSERT_THAT(refusal(file.substr(0, size)), StartsWith("truncated: ")) << name << " " << size;
    }
    EXPECT_EQ(refusal(file + "what follows is not read"), "(no error)");
  }
}

/// The file with `bytes` written where its frame header says `offset` after its marker.
std::string with_frame(std::string file, size_t offset, const std::string& bytes) {
  const size_t frame = file.find("\xff\xc0");
  return file.replace(frame + offset, bytes.size(), bytes);
}

TEST(BadJpeg, KindsThatAreNotRead) {
  EXPECT_EQ(refusal(image_golden("cmyk.jpg")), "unsupported: CMYK JPEG: convert it to RGB");
  EXPECT_EQ(refusal(with_frame(image_golden("grey.jpg"), 4, "\x0c")),
            "unsupported: JPEG of 12 bits a number: save it with 8");
  // SOF3, lossless.
  EXPECT_THAT(refusal(with_frame(image_golden("grey.jpg"), 1, "\xc3")),
              AllOf(StartsWith("unsupported: "), HasSubstr("0xc3")));
}

TEST(BadJpeg, DeclaredSizesAreHeldAgainstTheBytes) {
  const std::string file = image_golden("colour_444.jpg");
  EXPECT_THAT(refusal(with_frame(file, 5, "\x1f\xff\x1f\xff")),
              StartsWith("truncated: declares 8191x8191, for which "));
  EXPECT_THAT(refusal(with_frame(file, 5, "\xff\x00\xff\x00"s)), StartsWith("too-large: "));
  EXPECT_THAT(refusal(with_frame(file, 5, "\xff\xff\xff\xff")), StartsWith("too-large: "));
}

TEST(BadJpeg, DamageIsUnreadable) {
  std::string file = image_golden("grey.jpg");
  const size_t table = file.find("\xff\xc4");
  file[table + 5] = '\xff';  // more codes of one bit than there are
  EXPECT_THAT(refusal(file), StartsWith("unreadable: damaged JPEG: "));
}

TEST(BadJpeg, ScansWithoutEndAreRefused) {
  const std::string file = image_golden("progressive.jpg");
  // The first scan, up to the tables of the next.
  const size_t begin = file.find("\xff\xda");
  const size_t end = file.find("\xff\xc4", begin);
  const std::string scan = file.substr(begin, end - begin);
  const auto repeated = [&](int times) {
    std::string scans;
    for (int i = 0; i < times; ++i) scans += scan;
    return refusal(std::string(file).insert(end, scans));
  };
  EXPECT_EQ(repeated(400), "(no error)");
  EXPECT_THAT(repeated(500), StartsWith("too-large: progressive JPEG of more than 500 scans"));
}

TEST(BadJpeg, TablesOfAnotherFileAreNotTaken) {
  // Without its quantisation tables, after one that had some.
  const std::string good = image_golden("grey.jpg");
  std::string without = good;
  const size_t at = without.find("\xff\xdb");
  without.erase(at, 2 + 67);
  ImageDecoder decoder;
  Image image;
  decoder.decode(good, {}, image);
  EXPECT_THROW(decoder.decode(without, {}, image), ImageError);
}

TEST(BadTiff, KindsThatAreNotRead) {
  const std::string cure = ": save it as grey or RGB of uint8, uint16 or float32";
  EXPECT_EQ(refusal(image_golden("bad_int8.tif")),
            "unsupported: TIFF of 3 channels of 8-bit signed integers" + cure);
  EXPECT_EQ(refusal(image_golden("int32.tif")),
            "unsupported: TIFF of 1 channel of 32-bit signed integers" + cure);
  EXPECT_EQ(refusal(image_golden("bad_five_channels.tif")),
            "unsupported: TIFF of 5 channels of 8-bit unsigned integers" + cure);
  EXPECT_EQ(refusal(image_golden("bad_f64.tif")),
            "unsupported: TIFF of 1 channel of 64-bit floats" + cure);
  EXPECT_EQ(refusal(image_golden("cmyk.tif")), "unsupported: CMYK TIFF: convert it to RGB");
  EXPECT_EQ(refusal(image_golden("lab.tif")), "unsupported: CIE Lab TIFF: convert it to RGB");
  EXPECT_EQ(refusal(image_golden("pages.tif")),
            "unsupported: TIFF of 3 pages: save each as a file of its own");
  EXPECT_THAT(refusal(image_golden("bad_lzma.tif")),
              StartsWith("unsupported: TIFF of compression 34925: "));
  EXPECT_EQ(refusal(image_golden("transparent.tif")),
            "unsupported: has transparency: flatten it onto a background first");
}

TEST(BadTiff, FloatsOutsideTheRange) {
  EXPECT_THAT(refusal(image_golden("bad_nan.tif")), StartsWith("not-finite: holds nan: "));
  EXPECT_THAT(refusal(image_golden("bad_infinite.tif")), StartsWith("not-finite: holds inf: "));
  EXPECT_THAT(refusal(image_golden("bad_above_one.tif")), StartsWith("not-finite: holds 1.5: "));
}

TEST(BadTiff, DeclaredSizesAreHeldAgainstTheBytes) {
  EXPECT_THAT(refusal(image_golden("bad_huge.tif")), StartsWith("too-large: 60000x60000x3: "));
  EXPECT_THAT(refusal(image_golden("bad_large.tif")),
              StartsWith("truncated: declares 9000x9000, "));
  EXPECT_THAT(refusal(image_golden("bad_huge_tile.tif")), StartsWith("too-large: "));
}

TEST(BadTiff, CutFilesAreTruncated) {
  // The directory of these lies at the end: whatever is missing, it is.
  for (const char* name : {"u16_little.tif", "u16_big.tif", "big_tiff_little.tif", "tiles.tif"}) {
    const std::string file = image_golden(name);
    for (size_t size = 8; size + 8 < file.size(); ++size) {
      ASSERT_THAT(refusal(file.substr(0, size)), StartsWith("truncated: ")) << name << " " << size;
    }
  }
}

}  // namespace
}  // namespace oddity::test
