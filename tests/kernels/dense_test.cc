#include "dense.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/near.h"

namespace oddity::kernels {
namespace {

class DenseTest : public testing::TestWithParam<DenseShape> {};

// Sums in one slice and in many, with a short last one; every tile, whole and partial; both kernels
// of the data gradient; vector and scalar paths.
INSTANTIATE_TEST_SUITE_P(Shapes, DenseTest,
                         testing::Values(DenseShape{1, 1, 1}, DenseShape{7, 5, 3},
                                         DenseShape{32, 3136, 16}, DenseShape{32, 16, 3136},
                                         DenseShape{33, 3135, 17}, DenseShape{33, 17, 3135},
                                         DenseShape{7, 512, 33}, DenseShape{7, 33, 512},
                                         DenseShape{1, 65, 64}, DenseShape{256, 100, 20},
                                         DenseShape{65, 31, 129}, DenseShape{3, 200, 600},
                                         DenseShape{5, 128, 516}, DenseShape{31, 63, 8}),
                         [](const auto& test) {
                           return std::to_string(test.param.images) + "x" +
                                  std::to_string(test.param.inputs) + "to" +
                                  std::to_string(test.param.outputs);
                         });

std::vector<float> run_dense(const DenseShape& shape, const std::vector<float>& x,
                             const std::vector<float>& w, const std::vector<float>& bias) {
  const DeviceArray<float> device_x(x), device_w(w), device_bias(bias);
  DeviceArray<float> y(shape.images * shape.outputs);
  DeviceArray<float> workspace(dense_workspace(shape));
  // Twice: outputs are overwritten, not added to.
  for (int i = 0; i < 2; ++i) {
    dense(nullptr, shape, device_x.data(), device_w.data(), device_bias.data(), y.data(),
          workspace.data());
  }
  return y.download();
}

TEST_P(DenseTest, IsTheReferences) {
  const DenseShape& shape = GetParam();
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(shape.images * shape.inputs, 0);
  const auto w = random_values(shape.inputs * shape.outputs, 1);
  const auto bias = random_values(shape.outputs, 2);
  const auto expected =
      reference::dense(batch(shape.images, {1, 1, shape.inputs}, x), doubles(w), doubles(bias));
  EXPECT_TRUE(test::all_near(run_dense(shape, x, w, bias), expected.values,
                             {.absolute = sum_tolerance(shape.inputs)}));
}

TEST_P(DenseTest, BitsOfAnImageDoNotDependOnTheOthers) {
  DenseShape shape = GetParam();
  shape.images = 33;
  const auto x = random_values(33 * shape.inputs, 3);
  const auto w = random_values(shape.inputs * shape.outputs, 4);
  const auto bias = random_values(shape.outputs, 5);
  const auto all = run_dense(shape, x, w, bias);
  shape.images = 1;
  for (const int64_t n : {0, 17, 32}) {
    const std::vector<float> alone(x.begin() + n * shape.inputs,
                                   x.begin() + (n + 1) * shape.inputs);
    EXPECT_EQ(
        run_dense(shape, alone, w, bias),
        std::vector<float>(all.begin() + n * shape.outputs, all.begin() + (n + 1) * shape.outputs))
        << "image " << n;
  }
}

std::vector<float> run_data_gradient(const DenseShape& shape, const std::vector<float>& dy,
                                     const std::vector<float>& w) {
  const DeviceArray<float> device_dy(dy), device_w(w);
  DeviceArray<float> dx(shape.images * shape.inputs);
  for (int i = 0; i < 2; ++i) {
    dense_data_gradient(nullptr, shape, device_dy.data(), device_w.data(), dx.data());
  }
  return dx.download();
}

std::vector<float> run_weight_gradient(const DenseShape& shape, const std::vector<float>& x,
                                       const std::vector<float>& dy) {
  const DeviceArray<float> device_x(x), device_dy(dy);
  DeviceArray<float> dw(shape.inputs * shape.outputs);
  for (int i = 0; i < 2; ++i) {
    dense_weight_gradient(nullptr, shape, device_x.data(), device_dy.data(), dw.data());
  }
  return dw.download();
}

TEST_P(DenseTest, GradientsAreTheReferences) {
  const DenseShape& shape = GetParam();
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(shape.images * shape.inputs, 6);
  const auto w = random_values(shape.inputs * shape.outputs, 7);
  const auto dy = random_values(shape.images * shape.outputs, 8);
  const auto expected =
      reference::dense_backward(batch(shape.images, {1, 1, shape.inputs}, x), doubles(w),
                                batch(shape.images, {1, 1, shape.outputs}, dy));
  EXPECT_TRUE(test::all_near(run_data_gradient(shape, dy, w), expected.x.values,
                             {.absolute = sum_tolerance(shape.outputs)}));
  EXPECT_TRUE(test::all_near(run_weight_gradient(shape, x, dy), expected.kernel,
                             {.absolute = sum_tolerance(shape.images)}));
}

TEST_P(DenseTest, TwoRunsGiveTheSameBits) {
  const DenseShape& shape = GetParam();
  const auto x = random_values(shape.images * shape.inputs, 9);
  const auto w = random_values(shape.inputs * shape.outputs, 10);
  const auto dy = random_values(shape.images * shape.outputs, 11);
  EXPECT_EQ(run_data_gradient(shape, dy, w), run_data_gradient(shape, dy, w));
  EXPECT_EQ(run_weight_gradient(shape, x, dy), run_weight_gradient(shape, x, dy));
}

TEST(Dense, NoImagesAreNoWork) {
  const DenseShape shape{0, 100, 16};
  dense(nullptr, shape, nullptr, nullptr, nullptr, nullptr, nullptr);
  dense_data_gradient(nullptr, shape, nullptr, nullptr, nullptr);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

}  // namespace
}  // namespace oddity::kernels
