#include "conv2d.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/near.h"

namespace oddity::kernels {
namespace {

class Conv2dTest : public testing::TestWithParam<Conv2dShape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, Conv2dTest, testing::ValuesIn(conv2d_shapes()),
                         [](const auto& test) { return name(test.param); });

std::vector<float> run_conv2d(const Conv2dShape& shape, const std::vector<float>& x,
                              const std::vector<float>& w, const std::vector<float>& bias,
                              Epilogue epilogue) {
  const DeviceArray<float> device_x(x), device_w(w), device_bias(bias);
  DeviceArray<float> y(shape.small_pixels() * shape.filters);
  // Twice: outputs are overwritten, not added to.
  for (int i = 0; i < 2; ++i) {
    conv2d(nullptr, shape, device_x.data(), device_w.data(),
           epilogue == Epilogue::none ? nullptr : device_bias.data(), epilogue, y.data());
  }
  return y.download();
}

TEST_P(Conv2dTest, IsTheReferencesWithEveryEpilogue) {
  const Conv2dShape& shape = GetParam();
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(shape.large_pixels() * shape.channels, 0);
  const auto w = random_values(weight_count(shape), 1);
  const auto bias = random_values(shape.filters, 2);
  const auto large = batch(shape.images, large_side(shape), x);
  const auto kernel = keras_kernel(shape, w);
  const test::Tolerance tolerance{.absolute = sum_tolerance(9 * shape.channels)};

  const reference::Values no_bias(bias.size());
  EXPECT_TRUE(test::all_near(run_conv2d(shape, x, w, bias, Epilogue::none),
                             reference::conv2d(large, kernel, no_bias, shape.stride).values,
                             tolerance));
  const auto biased = reference::conv2d(large, kernel, doubles(bias), shape.stride);
  EXPECT_TRUE(
      test::all_near(run_conv2d(shape, x, w, bias, Epilogue::bias), biased.values, tolerance));
  EXPECT_TRUE(test::all_near(run_conv2d(shape, x, w, bias, Epilogue::bias_leaky_relu),
                             reference::leaky_relu(biased).values, tolerance));
}

TEST_P(Conv2dTest, BitsOfAnImageDoNotDependOnTheOthers) {
  Conv2dShape shape = GetParam();
  shape.images = images_beside(shape);
  const int64_t last = shape.images - 1;
  const int64_t image = shape.height * shape.width * shape.channels;
  const auto x = random_values(shape.images * image, 3);
  const auto w = random_values(weight_count(shape), 4);
  const auto bias = random_values(shape.filters, 5);
  const auto all = run_conv2d(shape, x, w, bias, Epilogue::bias);
  shape.images = 1;
  const auto output = shape.small_pixels() * shape.filters;
  for (const int64_t n : {int64_t{0}, last / 2, last}) {
    const std::vector<float> alone(x.begin() + n * image, x.begin() + (n + 1) * image);
    EXPECT_EQ(run_conv2d(shape, alone, w, bias, Epilogue::bias),
              std::vector<float>(all.begin() + n * output, all.begin() + (n + 1) * output))
        << "image " << n;
  }
}

TEST(Conv2d, NanReachesTheOutputsThatSeeIt) {
  const Conv2dShape shape{2, 5, 5, 3, 4, 1};
  auto x = random_values(shape.large_pixels() * 3, 6);
  x[((1 * 5 + 2) * 5 + 4) * 3 + 1] = std::nanf("");  // image 1, row 2, column 4
  const auto y = run_conv2d(shape, x, random_values(weight_count(shape), 7), random_values(4, 8),
                            Epilogue::bias_leaky_relu);
  for (int64_t i = 0; i < std::ssize(y); ++i) {
    const int64_t pixel = i / 4, n = pixel / 25, row = pixel / 5 % 5, column = pixel % 5;
    const bool sees = n == 1 && row >= 1 && row <= 3 && column >= 3;
    EXPECT_EQ(std::isnan(y[static_cast<size_t>(i)]), sees) << i;
  }
}

TEST(Conv2d, NoImagesAreNoWork) {
  const DeviceArray<float> w(random_values(9, 9));
  conv2d(nullptr, {0, 4, 4, 1, 1, 1}, nullptr, w.data(), nullptr, Epilogue::none, nullptr);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

std::vector<float> run_weight_gradient(const Conv2dShape& shape, const std::vector<float>& x,
                                       const std::vector<float>& dy) {
  const DeviceArray<float> device_x(x), device_dy(dy);
  DeviceArray<float> dw(weight_count(shape));
  DeviceArray<float> workspace(conv2d_weight_gradient_workspace(shape));
  for (int i = 0; i < 2; ++i) {
    conv2d_weight_gradient(nullptr, shape, device_x.data(), device_dy.data(), dw.data(),
                           workspace.data());
  }
  return dw.download();
}

TEST_P(Conv2dTest, WeightGradientIsTheReferences) {
  const Conv2dShape& shape = GetParam();
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(shape.large_pixels() * shape.channels, 10);
  const auto dy = random_values(shape.small_pixels() * shape.filters, 11);
  const auto expected =
      reference::conv2d_backward(batch(shape.images, large_side(shape), x),
                                 reference::Values(static_cast<size_t>(weight_count(shape))),
                                 batch(shape.images, small_side(shape), dy), shape.stride);
  EXPECT_TRUE(test::all_near(run_weight_gradient(shape, x, dy),
                             device_kernel(shape, expected.kernel),
                             {.absolute = sum_tolerance(shape.small_pixels())}));
}

TEST(Conv2dWeightGradient, ManySlicesAreTheReferencesAndTheSameEveryTime) {
  // The default network's last layer: a sum over 25,088 pixels, in as many slices as there are.
  const Conv2dShape shape{32, 28, 28, 1, 32, 1};
  ASSERT_GT(conv2d_weight_gradient_workspace(shape), 64 * weight_count(shape));
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(shape.large_pixels(), 12);
  const auto dy = random_values(shape.small_pixels() * shape.filters, 13);
  const auto dw = run_weight_gradient(shape, x, dy);
  const auto expected =
      reference::conv2d_backward(batch(shape.images, large_side(shape), x),
                                 reference::Values(static_cast<size_t>(weight_count(shape))),
                                 batch(shape.images, small_side(shape), dy), shape.stride);
  EXPECT_TRUE(test::all_near(dw, device_kernel(shape, expected.kernel),
                             {.absolute = sum_tolerance(shape.small_pixels())}));
  EXPECT_EQ(run_weight_gradient(shape, x, dy), dw);
}

}  // namespace
}  // namespace oddity::kernels
