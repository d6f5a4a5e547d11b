#include "core/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

namespace oddity {
namespace {

TEST(Printable, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(printable("a b/c-1.png"), "a b/c-1.png");
  EXPECT_EQ(printable("Größe 日本 😀"), "Größe 日本 😀");
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable(std::filesystem::path("dir/a.h5")), "dir/a.h5");
}

TEST(Printable, EscapesWhatBreaksALineOrATerminal) {
  EXPECT_EQ(printable("a\nb\r\t"), "a\\x0ab\\x0d\\x09");
  EXPECT_EQ(printable("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable("\u0085"), "\\xc2\\x85") << "next line, a C1 control";
  EXPECT_EQ(printable("\u2028"), "\\xe2\\x80\\xa8") << "line separator";
  EXPECT_EQ(printable("\u202Egnp.exe"), "\\xe2\\x80\\xaegnp.exe") << "right-to-left override";
  EXPECT_EQ(printable("a\\b"), "a\\x5cb") << "an escape can never be imitated";
}

TEST(Printable, EscapesInvalidUtf8ByteByByte) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\xc3"), "\\xc3") << "cut off";
  EXPECT_EQ(printable("\xe2\x82z"), "\\xe2\\x82z") << "cut off, then text";
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "above U+10FFFF";
}

// Expected texts are what Python 3 prints for the same numbers.
TEST(Unescaped, GivesBackWhatWasMadePrintable) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const std::string& text : {all, std::string("\\x41"), std::string("\\\\"), std::string(),
                                  std::string("Größe\xE2\x80\xA8\\")}) {
    EXPECT_EQ(unescaped(printable(text)), text);
  }
}

TEST(Unescaped, LeavesOtherBackslashesAlone) {
  for (const char* text : {"\\", "a\\b", "\\x", "\\x4", "\\x4g", "\\xFF", "\\X41", "\\\\"}) {
    EXPECT_EQ(unescaped(text), text);
  }
  EXPECT_EQ(unescaped("\\\\x41\\x4\\x42"), "\\A\\x4B");
}

TEST(Shortest, PrintsAsPythonDoes) {
  EXPECT_EQ(shortest(0.02863757349550724), "0.02863757349550724");
  EXPECT_EQ(shortest(1e-05), "1e-05");
  EXPECT_EQ(shortest(0.0001), "0.0001");
  EXPECT_EQ(shortest(1.0), "1.0");
  EXPECT_EQ(shortest(-0.0), "-0.0");
  EXPECT_EQ(shortest(0.0), "0.0");
  EXPECT_EQ(shortest(100000.0), "100000.0");
  EXPECT_EQ(shortest(1234567890123456.0), "1234567890123456.0");
  EXPECT_EQ(shortest(1e16), "1e+16");
  EXPECT_EQ(shortest(5e-324), "5e-324");
  EXPECT_EQ(shortest(1.7976931348623157e308), "1.7976931348623157e+308");
  EXPECT_EQ(shortest(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(shortest(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(shortest(-std::nan("")), "nan");
}

TEST(Shortest, KnowsThatFloatsNeedFewerDigits) {
  EXPECT_EQ(shortest(0.1F), "0.1");
  EXPECT_EQ(shortest(static_cast<double>(0.1F)), "0.10000000149011612");
  EXPECT_EQ(shortest(1e-45F), "1e-45");
  EXPECT_EQ(shortest(16777216.0F), "16777216.0");
}

TEST(Shortest, ReadsBackAsTheSameNumber) {
  constexpr unsigned kSeed = 7;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 10000; ++i) {
    const auto bits = random();
    const auto value = std::bit_cast<double>(bits);
    if (std::isfinite(value)) {
      ASSERT_EQ(std::strtod(shortest(value).c_str(), nullptr), value);
    }
    const auto small = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (std::isfinite(small)) {
      ASSERT_EQ(std::strtof(shortest(small).c_str(), nullptr), small);
    }
  }
}

TEST(WithThousands, GroupsDigitsByThree) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1000), "1,000");
  EXPECT_EQ(with_thousands(6742), "6,742");
  EXPECT_EQ(with_thousands(123456), "123,456");
  EXPECT_EQ(with_thousands(-1234567), "-1,234,567");
  EXPECT_EQ(with_thousands(-999), "-999");
  EXPECT_EQ(with_thousands(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Concise, WholeNumbersHaveNoFraction) {
  EXPECT_EQ(concise(4), "4");
  EXPECT_EQ(concise(-30), "-30");
  EXPECT_EQ(concise(0.95), "0.95");
  EXPECT_EQ(concise(1e-05), "1e-05");
  EXPECT_EQ(concise(std::numeric_limits<double>::infinity()), "inf");
}

TEST(Counted, OneIsNotMany) {
  EXPECT_EQ(counted(0, "image"), "0 images");
  EXPECT_EQ(counted(1, "image"), "1 image");
  EXPECT_EQ(counted(6742, "image"), "6,742 images");
}

}  // namespace
}  // namespace oddity
