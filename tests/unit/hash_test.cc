#include "core/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace oddity {
namespace {

TEST(HashTest, IsXxh3) {
  // The digest of no bytes under seed 0, from XXH3's own table of sanity checks.
  EXPECT_EQ(Hash().value(), 0x2d06800538d394c2u);
  EXPECT_EQ(Hash().text(), "xxh3:2d06800538d394c2");
}

TEST(HashTest, DoesNotDependOnThePieces) {
  const std::string text(1000, 'x');
  Hash pieces;
  for (size_t at = 0; at < text.size(); at += 7) {
    pieces.add(std::string_view(text).substr(at, 7));
  }
  EXPECT_EQ(pieces.value(), Hash().add(text).value());
  EXPECT_NE(pieces.value(), Hash().add(text.substr(1)).value());
}

TEST(HashTest, TakesNothing) {
  EXPECT_EQ(Hash().add(nullptr, 0).add("a").value(), Hash().add("a").value());
}

}  // namespace
}  // namespace oddity
