// Robust scores and total variations against plain float64.
#include "robust_error.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>

#include "data/variation.h"
#include "engine/robust_reference.h"
#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/near.h"
#include "support/test_images.h"
#include "variation.h"

namespace oddity::kernels {
namespace {

struct ImageSet {
  int64_t images;
  ImageShape shape;
  friend std::ostream& operator<<(std::ostream& out, const ImageSet& set) {
    return out << set.images << "x" << set.shape.height << "x" << set.shape.width << "x"
               << set.shape.channels;
  }
};

class RobustErrorTest : public testing::TestWithParam<ImageSet> {
 protected:
  const ImageShape& shape() const { return GetParam().shape; }
  size_t images() const { return static_cast<size_t>(GetParam().images); }
  size_t size() const { return static_cast<size_t>(shape().size()); }
  test::TestImages<uint8_t> pixels() const {
    return test::random_images<uint8_t>(shape(), images() + 2, kSeed);
  }
  std::vector<float> reconstructions() const {
    std::vector<float> y = random_values(static_cast<int64_t>(images() * size()), 5);
    for (float& value : y) value = (value + 1) / 2;
    return y;
  }
  /// Image i of the batch is that of the set.
  std::vector<uint32_t> positions() const {
    std::vector<uint32_t> order;
    for (size_t i = 0; i < images(); ++i) {
      order.push_back(static_cast<uint32_t>((i * 5 + 1) % (images() + 2)));
    }
    return order;
  }
  std::vector<float> units(size_t image) const {
    const test::TestImages<uint8_t> set = pixels();
    std::vector<float> x;
    for (size_t i = image * size(); i < (image + 1) * size(); ++i) {
      x.push_back(static_cast<float>(set.pixels[i]) / 255.0f);
    }
    return x;
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, RobustErrorTest,
                         testing::Values(ImageSet{1, {1, 1, 1}}, ImageSet{3, {2, 2, 3}},
                                         ImageSet{5, {28, 28, 1}}, ImageSet{2, {8, 32, 1}},
                                         ImageSet{2, {9, 33, 2}}, ImageSet{2, {30, 70, 3}}),
                         testing::PrintToStringParamName());

// Means of many squares of differences that are seldom small.
constexpr test::Tolerance kTolerance{.relative = 1e-5};

TEST_P(RobustErrorTest, IsTheFormula) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const std::vector<float> y = reconstructions();
  const DeviceArray<float> device_y(y);
  const test::TestImages<uint8_t> set = pixels();
  const DeviceArray<uint8_t> device_pixels(set.pixels);
  const std::vector<uint32_t> order = positions();
  const DeviceArray<uint32_t> device_order(order);
  DeviceArray<float> errors(images());
  // Below all, between them, above all.
  const auto middle = static_cast<float>(total_variation(units(order[0]), shape()));
  for (const float floor : {0.0f, middle, 1e6f}) {
    robust_errors(
        nullptr, GetParam().images, shape().height, shape().width, shape().channels,
        device_y.data(),
        {.type = Pixels::u8, .pixels = device_pixels.data(), .positions = device_order.data()},
        floor, errors.data());
    std::vector<double> all;
    for (size_t i = 0; i < images(); ++i) {
      all.push_back(robust_score(units(order[i]), {y.data() + i * size(), size()}, shape(),
                                 static_cast<double>(floor)));
    }
    EXPECT_TRUE(test::all_near(errors.download(), all, kTolerance)) << floor;
  }
}

TEST_P(RobustErrorTest, VariationsAreTheHosts) {
  const test::TestImages<uint8_t> set = pixels();
  const DeviceArray<uint8_t> device_pixels(set.pixels);
  DeviceArray<float> powers(images() + 2);
  variations(nullptr, Pixels::u8, device_pixels.data(), GetParam().images + 2, shape().height,
             shape().width, shape().channels, powers.data());
  std::vector<double> all;
  for (size_t i = 0; i < images() + 2; ++i) {
    all.push_back(std::pow(total_variation(units(i), shape()), 0.75));
  }
  EXPECT_TRUE(test::all_near(powers.download(), all, kTolerance));
}

TEST(RobustError, NaNStaysNaN) {
  const std::vector<float> nan(4, std::nanf(""));
  const DeviceArray<float> x(nan), y(std::vector<float>(4, 0));
  DeviceArray<float> error(1);
  robust_errors(nullptr, 1, 2, 2, 1, y.data(), {.type = Pixels::f32, .pixels = x.data()}, 1,
                error.data());
  EXPECT_TRUE(std::isnan(error.download()[0]));
}

}  // namespace
}  // namespace oddity::kernels
