#include "images/exif.h"

#include <gtest/gtest.h>

#include <string>

namespace oddity::test {
namespace {

using namespace std::string_literals;

const std::string kLittle =
    "II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x04\0\0\0abc\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"s;
const std::string kBig =
    "MM\0*\0\0\0\x08\0\x02\x01\x0f\0\x02\0\0\0\x04"
    "abc\0\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"s;

TEST(Exif, TheOrientationIsReadInBothByteOrders) {
  EXPECT_EQ(exif_orientation(kLittle), 6);
  EXPECT_EQ(exif_orientation(kBig), 6);
}

TEST(Exif, EveryCutIsUprightOrWhole) {
  for (const std::string& exif : {kLittle, kBig}) {
    constexpr size_t kValueEnd = 8 + 2 + 12 + 10;
    for (size_t size = 0; size <= exif.size(); ++size) {
      // A copy of its own: reading past its end is an error that the sanitizer sees.
      const std::string cut(exif.data(), size);
      EXPECT_EQ(exif_orientation(cut), size < kValueEnd ? kUpright : 6) << size;
    }
  }
}

TEST(Exif, WhatIsNotAnOrientationIsUpright) {
  const auto with = [](size_t at, char value) {
    std::string exif = kLittle;
    exif[at] = value;
    return exif_orientation(exif);
  };
  EXPECT_EQ(with(30, 0), kUpright);  // the value
  EXPECT_EQ(with(30, 9), kUpright);
  EXPECT_EQ(with(31, 1), kUpright);
  EXPECT_EQ(with(24, 4), kUpright);      // its type
  EXPECT_EQ(with(26, 2), kUpright);      // how many there are
  EXPECT_EQ(with(23, 2), kUpright);      // another tag
  EXPECT_EQ(with(4, 0), kUpright);       // the directory in the header
  EXPECT_EQ(with(7, '\xff'), kUpright);  // the directory past the end
  EXPECT_EQ(with(9, '\xff'), 6);         // more entries than there are
  EXPECT_EQ(with(0, 'M'), kUpright);
}

}  // namespace
}  // namespace oddity::test
