// The yardstick of the numerical tests.
#include "support/near.h"

#include <cmath>
#include <vector>

namespace oddity::test {
namespace {

using Floats = std::vector<float>;

TEST(AllNearTest, AcceptsUpToTheTolerance) {
  EXPECT_TRUE(all_near(Floats{1, -2}, Floats{1, -2}, {}));
  EXPECT_TRUE(all_near(Floats{1.25f, 0}, Floats{1, 0}, {.absolute = 0.25}));
  EXPECT_TRUE(all_near(Floats{-9}, Floats{-8}, {.relative = 0.125}));
  EXPECT_TRUE(all_near(Floats{1.5f, -4}, Floats{1, -4}, {.of_largest = 0.125}));
  EXPECT_FALSE(all_near(Floats{1.5f, -3}, Floats{1, -3}, {.of_largest = 0.125}));
  EXPECT_TRUE(all_near(Floats{}, Floats{}, {}));
}

TEST(AllNearTest, RefusesMoreAndNamesTheWorst) {
  EXPECT_FALSE(all_near(Floats{1}, Floats{1.0000001f}, {}));
  EXPECT_FALSE(all_near(Floats{1}, Floats{1, 1}, {.absolute = 9}));
  const auto result = all_near(Floats{1, 7, 3}, Floats{1, 5, 2}, {.absolute = 0.5});
  EXPECT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("2 of 3"), std::string::npos);
  EXPECT_NE(std::string(result.message()).find("worst at 1"), std::string::npos);
}

TEST(AllNearTest, NotANumberIsNeverNear) {
  const float nan = std::nanf("");
  EXPECT_FALSE(all_near(Floats{nan}, Floats{0}, {.absolute = 1e30}));
  EXPECT_FALSE(all_near(Floats{0}, Floats{nan}, {.absolute = 1e30}));
  EXPECT_FALSE(all_near(Floats{nan}, Floats{nan}, {.absolute = 1e30, .relative = 1}));
  EXPECT_FALSE(all_near(Floats{0, nan, 5}, Floats{0, 0, 0}, {.absolute = 1}));
}

}  // namespace
}  // namespace oddity::test
