#include "images.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"
#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/test_images.h"

namespace oddity::kernels {
namespace {

template <typename Pixel>
constexpr Pixels kType = Pixels::f32;
template <>
constexpr Pixels kType<uint8_t> = Pixels::u8;
template <>
constexpr Pixels kType<uint16_t> = Pixels::u16;

constexpr int64_t kStored = 70;

template <typename Pixel>
std::vector<Pixel> random_pixels(int64_t size) {
  return test::random_images<Pixel>({1, 1, size}, kStored, kSeed).pixels;
}

std::vector<uint32_t> random_positions(int64_t count) {
  Philox random(kSeed, 7);
  std::vector<uint32_t> positions(static_cast<size_t>(count));
  for (uint32_t& position : positions) position = random.below(kStored);
  return positions;
}

/// Images at `positions` as the network sees them.
template <typename Pixel>
std::vector<float> expected(const std::vector<Pixel>& pixels, int64_t size,
                            const std::vector<uint32_t>& positions) {
  std::vector<float> x;
  for (const uint32_t position : positions) {
    for (int64_t i = 0; i < size; ++i) {
      x.push_back(test::unit(pixels[static_cast<size_t>(position * size + i)]));
    }
  }
  return x;
}

template <typename Pixel>
class ImagesTest : public testing::Test {};
using PixelTypes = testing::Types<uint8_t, uint16_t, float>;
TYPED_TEST_SUITE(ImagesTest, PixelTypes);

constexpr int64_t kSizes[] = {1, 3, 4, 31, 33, 64, 257, 784, 1024, 1028, 2500};

TYPED_TEST(ImagesTest, LoadsARange) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const int64_t size : kSizes) {
    const auto pixels = random_pixels<TypeParam>(size);
    const DeviceArray<TypeParam> images(pixels);
    for (const int64_t count : {1, 33}) {
      DeviceArray<float> x(count * size);
      for (int i = 0; i < 2; ++i) {
        load_images(nullptr, kType<TypeParam>, images.data(), size, 5, count, x.data());
      }
      std::vector<uint32_t> range;
      for (uint32_t i = 0; i < count; ++i) range.push_back(5 + i);
      EXPECT_EQ(x.download(), expected(pixels, size, range)) << size << " " << count;
    }
  }
}

TYPED_TEST(ImagesTest, GathersTheStepsImages) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  constexpr int64_t kBatch = 32, kSteps = 4, kFirst = 3, kCount = 29;
  const auto positions = random_positions(kBatch * kSteps);
  const DeviceArray<uint32_t> device_positions(positions);
  for (const int64_t size : kSizes) {
    const auto pixels = random_pixels<TypeParam>(size);
    const DeviceArray<TypeParam> images(pixels);
    for (const int64_t step : {0, 3}) {
      const DeviceArray<EpochState> state(std::vector<EpochState>{{step}});
      DeviceArray<float> x(kCount * size);
      for (int i = 0; i < 2; ++i) {
        gather_images(nullptr, kType<TypeParam>, images.data(), size, device_positions.data(),
                      state.data(), kBatch, kFirst, kCount, x.data());
      }
      const auto begin = positions.begin() + step * kBatch + kFirst;
      EXPECT_EQ(x.download(), expected(pixels, size, {begin, begin + kCount})) << size;
    }
    DeviceArray<float> x(kCount * size);  // no state: step 0
    gather_images(nullptr, kType<TypeParam>, images.data(), size, device_positions.data(), nullptr,
                  kBatch, kFirst, kCount, x.data());
    const auto begin = positions.begin() + kFirst;
    EXPECT_EQ(x.download(), expected(pixels, size, {begin, begin + kCount})) << size;
  }
}

TYPED_TEST(ImagesTest, ImagesBetweenAlignedPlaces) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  constexpr int64_t kSize = 12;
  auto pixels = random_pixels<TypeParam>(kSize);
  const auto x_expected = expected(pixels, kSize, test::in_order(kStored));
  pixels.insert(pixels.begin(), TypeParam{});
  const DeviceArray<TypeParam> images(pixels);
  DeviceArray<float> x(kStored * kSize);
  load_images(nullptr, kType<TypeParam>, images.data() + 1, kSize, 0, kStored, x.data());
  EXPECT_EQ(x.download(), x_expected);
}

// One division, correctly rounded: every pixel that there is.
template <typename Pixel>
void expect_every_pixel_divided() {
  std::vector<Pixel> pixels;
  for (uint32_t i = 0; i <= std::numeric_limits<Pixel>::max(); ++i) {
    pixels.push_back(static_cast<Pixel>(i));
  }
  const DeviceArray<Pixel> images(pixels);
  const auto size = std::ssize(pixels);
  DeviceArray<float> x(size);
  load_images(nullptr, kType<Pixel>, images.data(), size, 0, 1, x.data());
  EXPECT_EQ(x.download(), expected(pixels, size, {0}));
}
TEST(Images, EveryPixelIsTheDividedOne) {
  expect_every_pixel_divided<uint8_t>();
  expect_every_pixel_divided<uint16_t>();
}

}  // namespace
}  // namespace oddity::kernels
