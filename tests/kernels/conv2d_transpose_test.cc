#include "conv2d_transpose.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/near.h"

namespace oddity::kernels {
namespace {

class Conv2dTransposeTest : public testing::TestWithParam<Conv2dShape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, Conv2dTransposeTest, testing::ValuesIn(conv2d_shapes()),
                         [](const auto& test) { return name(test.param); });

std::vector<float> run_transpose(const Conv2dShape& shape, const std::vector<float>& x,
                                 const std::vector<float>& w, const std::vector<float>& bias,
                                 Epilogue epilogue) {
  const DeviceArray<float> device_x(x), device_w(w), device_bias(bias);
  DeviceArray<float> y(shape.large_pixels() * shape.channels);
  // Twice: outputs are overwritten, not added to.
  for (int i = 0; i < 2; ++i) {
    conv2d_transpose(nullptr, shape, device_x.data(), device_w.data(),
                     epilogue == Epilogue::none ? nullptr : device_bias.data(), epilogue, y.data());
  }
  return y.download();
}

TEST_P(Conv2dTransposeTest, IsTheReferencesWithEveryEpilogue) {
  const Conv2dShape& shape = GetParam();
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(shape.small_pixels() * shape.filters, 0);
  const auto w = random_values(weight_count(shape), 1);
  const auto bias = random_values(shape.channels, 2);
  const auto small = batch(shape.images, small_side(shape), x);
  const auto kernel = keras_kernel(shape, w);
  const test::Tolerance tolerance{.absolute = sum_tolerance(9 * shape.filters)};

  const reference::Values no_bias(bias.size());
  EXPECT_TRUE(test::all_near(
      run_transpose(shape, x, w, bias, Epilogue::none),
      reference::conv2d_transpose(small, kernel, no_bias, shape.stride).values, tolerance));
  const auto biased = reference::conv2d_transpose(small, kernel, doubles(bias), shape.stride);
  EXPECT_TRUE(
      test::all_near(run_transpose(shape, x, w, bias, Epilogue::bias), biased.values, tolerance));
  EXPECT_TRUE(test::all_near(run_transpose(shape, x, w, bias, Epilogue::bias_leaky_relu),
                             reference::leaky_relu(biased).values, tolerance));
}

TEST_P(Conv2dTransposeTest, BitsOfAnImageDoNotDependOnTheOthers) {
  Conv2dShape shape = GetParam();
  shape.images = images_beside(shape);
  const int64_t last = shape.images - 1;
  const int64_t image = shape.small_height() * shape.small_width() * shape.filters;
  const auto x = random_values(shape.images * image, 3);
  const auto w = random_values(weight_count(shape), 4);
  const auto bias = random_values(shape.channels, 5);
  const auto all = run_transpose(shape, x, w, bias, Epilogue::bias);
  shape.images = 1;
  const auto output = shape.large_pixels() * shape.channels;
  for (const int64_t n : {int64_t{0}, last / 2, last}) {
    const std::vector<float> alone(x.begin() + n * image, x.begin() + (n + 1) * image);
    EXPECT_EQ(run_transpose(shape, alone, w, bias, Epilogue::bias),
              std::vector<float>(all.begin() + n * output, all.begin() + (n + 1) * output))
        << "image " << n;
  }
}

// Both kernels: the one for few channels, and the matrix product.
TEST(Conv2dTranspose, NanReachesTheOutputsThatSeeIt) {
  for (const int64_t channels : {1, 6}) {
    const Conv2dShape shape{2, 5, 5, channels, 3, 1};
    auto x = random_values(shape.small_pixels() * 3, 6);
    x[((1 * 5 + 2) * 5 + 4) * 3 + 1] = std::nanf("");  // image 1, row 2, column 4
    const auto y = run_transpose(shape, x, random_values(weight_count(shape), 7),
                                 random_values(channels, 8), Epilogue::bias_leaky_relu);
    for (int64_t i = 0; i < std::ssize(y); ++i) {
      const int64_t pixel = i / channels, n = pixel / 25, row = pixel / 5 % 5, column = pixel % 5;
      const bool sees = n == 1 && row >= 1 && row <= 3 && column >= 3;
      EXPECT_EQ(std::isnan(y[static_cast<size_t>(i)]), sees) << i;
    }
  }
}

TEST(Conv2dTranspose, NoImagesAreNoWork) {
  const DeviceArray<float> w(random_values(9, 9));
  conv2d_transpose(nullptr, {0, 4, 4, 1, 1, 1}, nullptr, w.data(), nullptr, Epilogue::none,
                   nullptr);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

}  // namespace
}  // namespace oddity::kernels
