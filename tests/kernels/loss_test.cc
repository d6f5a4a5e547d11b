#include "loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/near.h"

namespace oddity::kernels {
namespace {

struct ImageSet {
  int64_t images;
  int64_t size;
  int64_t numbers() const { return images * size; }
  friend std::ostream& operator<<(std::ostream& out, const ImageSet& set) {
    return out << set.images << "x" << set.size;
  }
};

// Logits in [−9, 9): beyond, the sigmoid is flat.
std::vector<float> random_logits(int64_t count) {
  auto logits = random_values(count, 0);
  for (float& value : logits) value *= 9;
  return logits;
}

std::vector<float> random_pixels(int64_t count) {
  auto pixels = random_values(count, 1);
  for (float& value : pixels) value = (value + 1) / 2;
  return pixels;
}

struct Result {
  std::vector<float> errors;
  std::vector<float> gradient;
  friend bool operator==(const Result&, const Result&) = default;
};

std::vector<float> forward(const ImageSet& set, const float* logits, const float* x) {
  DeviceArray<float> errors(set.images);
  for (int i = 0; i < 2; ++i) {
    sigmoid_mse(nullptr, set.images, set.size, logits, x, errors.data());
  }
  return errors.download();
}

Result backward(const ImageSet& set, const float* logits, const float* x) {
  DeviceArray<float> errors(set.images), gradient(set.numbers());
  for (int i = 0; i < 2; ++i) {
    sigmoid_mse_backward(nullptr, set.images, set.size, logits, x, errors.data(), gradient.data());
  }
  return {errors.download(), gradient.download()};
}

class LossTest : public testing::TestWithParam<ImageSet> {
 protected:
  const ImageSet& set() const { return GetParam(); }
  std::vector<float> logits() const { return random_logits(set().numbers()); }
  std::vector<float> pixels() const { return random_pixels(set().numbers()); }
};

INSTANTIATE_TEST_SUITE_P(Shapes, LossTest,
                         testing::Values(ImageSet{1, 1}, ImageSet{7, 3}, ImageSet{33, 4},
                                         ImageSet{5, 31}, ImageSet{3, 33}, ImageSet{33, 257},
                                         ImageSet{32, 784}, ImageSet{3, 1024}, ImageSet{2, 1025},
                                         ImageSet{2, 5003}, ImageSet{2, 12288}),
                         testing::PrintToStringParamName());

// An error is a mean of squares, all above 0: 2⁻²⁴ for each of the fewer than 30 additions on a
// number's way and, twice because of the square, for the sigmoid's four roundings (the device's
// expf may be 2 units off) relative to y ≤ 1; where x − y is small it is small against the others.
TEST_P(LossTest, IsTheReferences) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const ImageShape shape{1, 1, set().size};
  const auto y = reference::sigmoid(batch(set().images, shape, logits()));
  const auto x = batch(set().images, shape, pixels());
  const auto errors = reference::mean_squared_errors(x, y);
  const auto gradient =
      reference::sigmoid_backward(y, reference::mean_squared_error_backward(x, y));

  const DeviceArray<float> device_logits(logits()), device_x(pixels());
  const Result result = backward(set(), device_logits.data(), device_x.data());
  EXPECT_TRUE(test::all_near(result.errors, errors, {.absolute = 2e-7, .relative = 2e-6}));
  // Rounding in y − x is absolute: of the largest gradient.
  EXPECT_TRUE(test::all_near(result.gradient, gradient.values, {.of_largest = 1e-6}));
}

TEST_P(LossTest, ForwardAloneHasTheSameBits) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const DeviceArray<float> device_logits(logits()), x(pixels());
  EXPECT_EQ(forward(set(), device_logits.data(), x.data()),
            backward(set(), device_logits.data(), x.data()).errors);
}

TEST_P(LossTest, GradientMayTakeThePlaceOfTheLogits) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const DeviceArray<float> device_logits(logits()), x(pixels());
  DeviceArray<float> in_place(logits()), errors(set().images);
  sigmoid_mse_backward(nullptr, set().images, set().size, in_place.data(), x.data(), errors.data(),
                       in_place.data());
  EXPECT_EQ((Result{errors.download(), in_place.download()}),
            backward(set(), device_logits.data(), x.data()));
}

TEST_P(LossTest, PointersBetweenAlignedPlacesGiveTheSameBits) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  auto logits_after_one = logits();
  auto pixels_after_one = pixels();
  logits_after_one.insert(logits_after_one.begin(), 0.0f);
  pixels_after_one.insert(pixels_after_one.begin(), 0.0f);
  const DeviceArray<float> aligned_logits(logits()), aligned_x(pixels());
  const DeviceArray<float> shifted_logits(logits_after_one), shifted_x(pixels_after_one);
  EXPECT_EQ(backward(set(), shifted_logits.data() + 1, shifted_x.data() + 1),
            backward(set(), aligned_logits.data(), aligned_x.data()));
}

TEST_P(LossTest, BitsOfAnImageDoNotDependOnTheOthers) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const ImageSet many{33, set().size};
  const auto all_logits = random_logits(many.numbers());
  const auto all_pixels = random_pixels(many.numbers());
  const DeviceArray<float> device_logits(all_logits), x(all_pixels);
  const auto errors = forward(many, device_logits.data(), x.data());
  for (const int64_t image : {0, 17, 32}) {
    const auto start = image * set().size;
    const DeviceArray<float> own_logits(
        std::vector<float>(all_logits.begin() + start, all_logits.begin() + start + set().size));
    const DeviceArray<float> own_x(
        std::vector<float>(all_pixels.begin() + start, all_pixels.begin() + start + set().size));
    EXPECT_EQ(forward({1, set().size}, own_logits.data(), own_x.data()).front(),
              errors[static_cast<size_t>(image)])
        << image;
  }
}

TEST(Loss, NanReachesItsOwnImageOnly) {
  const ImageSet set{3, 77};
  const std::vector<float> zeros(static_cast<size_t>(set.numbers()));
  for (const bool in_logits : {true, false}) {
    auto bad = zeros;
    bad[77 + 76] = std::nanf("");
    const DeviceArray<float> logits(in_logits ? bad : zeros), x(in_logits ? zeros : bad);
    const Result result = backward(set, logits.data(), x.data());
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(std::isnan(result.errors[i]), i == 1) << i;
    for (size_t i = 0; i < bad.size(); ++i) {
      EXPECT_EQ(std::isnan(result.gradient[i]), i == 77 + 76) << i;
    }
  }
}

TEST(Loss, LogitsFarFromZeroAreNoTrouble) {
  const ImageSet set{1, 6};
  const DeviceArray<float> logits(std::vector<float>{-1000, -104, -20, 20, 104, 1000});
  const DeviceArray<float> x(std::vector<float>{1, 1, 1, 0, 0, 0});
  const Result result = backward(set, logits.data(), x.data());
  EXPECT_EQ(result.errors.front(), 1.0f);
  // 1/3 · (y − x) · y(1 − y), where 1 − y would be 0 for a logit of 20: four roundings and expf's.
  const double slope = std::exp(-20.0) / std::pow(1 + std::exp(-20.0), 2);
  EXPECT_TRUE(test::all_near(result.gradient,
                             std::vector<double>{0, 0, -slope / 3, slope / 3, 0, 0},
                             {.absolute = 1e-44, .relative = 5e-7}));
}

TEST(Loss, APerfectReconstructionHasNoErrorAndNoGradient) {
  const ImageSet set{2, 5};
  const DeviceArray<float> logits(std::vector<float>(10, 0.0f)), x(std::vector<float>(10, 0.5f));
  EXPECT_EQ(backward(set, logits.data(), x.data()),
            (Result{std::vector<float>(2, 0.0f), std::vector<float>(10, 0.0f)}));
}

TEST(SquaredDifference, IsTheSquareOfTheDifference) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const int64_t n : {1, 3, 4, 31, 33, 257, 5003}) {
    const auto a = random_values(n, 4), b = random_values(n, 5);
    std::vector<float> expected(a.size());
    for (size_t i = 0; i < a.size(); ++i) expected[i] = (a[i] - b[i]) * (a[i] - b[i]);
    const DeviceArray<float> device_a(a), device_b(b);
    DeviceArray<float> apart(n), in_a(a), in_b(b);
    for (int i = 0; i < 2; ++i) {
      squared_difference(nullptr, n, device_a.data(), device_b.data(), apart.data());
    }
    squared_difference(nullptr, n, in_a.data(), device_b.data(), in_a.data());
    squared_difference(nullptr, n, device_a.data(), in_b.data(), in_b.data());
    // One subtraction and one product: nothing to round differently.
    EXPECT_EQ(apart.download(), expected);
    EXPECT_EQ(in_a.download(), expected);
    EXPECT_EQ(in_b.download(), expected);
  }
}

TEST(SigmoidKernel, IsTheReferences) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const int64_t n : {1, 3, 4, 31, 33, 257, 5003}) {
    auto x = random_values(n, 3);
    for (float& value : x) value *= 80;
    const auto expected = reference::sigmoid(batch(n, {1, 1, 1}, x));
    const DeviceArray<float> device_x(x);
    DeviceArray<float> y(n), in_place(x);
    for (int i = 0; i < 2; ++i) sigmoid(nullptr, n, device_x.data(), y.data());
    sigmoid(nullptr, n, in_place.data(), in_place.data());
    // Relative, also far below 0: expf's 2 units and three roundings.
    EXPECT_TRUE(test::all_near(y.download(), expected.values, {.relative = 4e-7}));
    EXPECT_EQ(y.download(), in_place.download());
  }
}

}  // namespace
}  // namespace oddity::kernels
