// The dense layers of training and inference in few launches, against tests/reference.
#include "stage_dense.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/stage_case.h"
#include "slices.h"

namespace oddity::kernels {
namespace {

struct Case {
  int64_t images;
  ImageShape map;
  int64_t outputs;

  DenseShape shape() const { return {images, map.size(), outputs}; }
};

// Few and many of everything: maps of one pixel, channels that a block's threads hold several times
// or not once, more tiles than blocks; the default network's.
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {1, {1, 1, 1}, 1},   {3, {2, 3, 3}, 5},    {33, {2, 2, 8}, 4},  {5, {3, 3, 260}, 7},
      {2, {5, 5, 33}, 17}, {70, {3, 2, 12}, 36}, {7, {7, 7, 64}, 16}, {70, {12, 14, 5}, 2},
  };
  return all;
}

test::Tolerance sums_of(int64_t n) {
  return {.absolute = sum_tolerance(n), .of_largest = sum_tolerance(n) / 10};
}

reference::Batch rows(int64_t n, int64_t size, const std::vector<float>& values) {
  return batch(n, {1, 1, size}, values);
}

class StageDense : public testing::TestWithParam<size_t> {
 protected:
  const Case& c() const { return cases()[GetParam()]; }
  DenseShape shape() const { return c().shape(); }
};

INSTANTIATE_TEST_SUITE_P(Cases, StageDense, testing::Range(size_t{0}, cases().size()));

TEST_P(StageDense, NormalisesItsInput) {
  TestMap x(c().images, c().map, 0);
  const auto w = random_values(shape().inputs * shape().outputs, 10);
  const auto bias = random_values(shape().outputs, 11);
  const DeviceArray<float> device_w(w), device_bias(bias);
  DeviceArray<float> y(static_cast<size_t>(shape().images * shape().outputs));
  const auto flat = reference::reshape(x.output(), {1, 1, shape().inputs});
  const auto expected = reference::dense(flat, doubles(w), doubles(bias));
  for (const Normalisation by : {Normalisation::moments, Normalisation::statistics}) {
    dense_stage(nullptr, shape(), x.normalised(by), device_w.data(), device_bias.data(), y.data());
    EXPECT_TRUE(test::all_near(y.download(), expected.values, sums_of(shape().inputs)));
  }
  EXPECT_TRUE(test::all_near(x.statistics.download(), x.expected_statistics(),
                             {.absolute = 2e-6, .of_largest = 2e-6}));
}

TEST_P(StageDense, InferenceNormalisesItsInputWhateverTheNumberOfImages) {
  TestMap x(c().images, c().map, 0);
  x.leave_statistics();
  const auto w = random_values(shape().inputs * shape().outputs, 10);
  const auto bias = random_values(shape().outputs, 11);
  const DeviceArray<float> device_w(w), device_bias(bias);
  const auto run = [&](int64_t first, int64_t count, Normalisation by) {
    const DenseShape some{count, shape().inputs, shape().outputs};
    DeviceArray<float> y(static_cast<size_t>(count * shape().outputs));
    DeviceArray<float> workspace(static_cast<size_t>(dense_workspace(some)));
    NormalisedMap map = x.normalised(by);
    map.x += first * shape().inputs;
    for (int i = 0; i < 2; ++i) {
      const int64_t slices = dense_slices(some);
      const float* const b = device_bias.data();
      dense_parts(nullptr, some, map, device_w.data(), b, slices > 1 ? workspace.data() : y.data());
      if (slices == 1) continue;
      sum_slices(nullptr, slices, count, shape().outputs, workspace.data(), b, y.data());
    }
    return y.download();
  };
  const auto all = run(0, c().images, Normalisation::statistics);
  const auto flat = reference::reshape(x.output(), {1, 1, shape().inputs});
  EXPECT_TRUE(test::all_near(all, reference::dense(flat, doubles(w), doubles(bias)).values,
                             sums_of(shape().inputs)));
  const std::vector<float> last(all.end() - shape().outputs, all.end());
  EXPECT_EQ(run(c().images - 1, 1, Normalisation::statistics), last);

  DeviceArray<float> y(all.size());
  DeviceArray<float> workspace(static_cast<size_t>(dense_workspace(shape())));
  dense(nullptr, shape(), x.device_y.data(), device_w.data(), device_bias.data(), y.data(),
        workspace.data());
  EXPECT_EQ(run(0, c().images, Normalisation::none), y.download());
}

TEST_P(StageDense, GradientLeavesItsSums) {
  TestMap map(c().images, c().map, 0);
  map.leave_statistics();
  const auto w = random_values(shape().inputs * shape().outputs, 10);
  const auto dy = random_values(shape().images * shape().outputs, 12);
  const DeviceArray<float> device_w(w), device_dy(dy);
  const auto channels = static_cast<int>(c().map.channels);
  const int blocks = dense_stage_blocks(shape(), channels);
  DeviceArray<float> dx(map.y.size());
  DeviceArray<float> parts(static_cast<size_t>(blocks * kGradientSums * channels));
  for (int i = 0; i < 2; ++i) {
    dense_stage_gradient(nullptr, shape(), channels, device_dy.data(), device_w.data(),
                         {.dx = dx.data(),
                          .activation = map.device_y.data(),
                          .statistics = map.statistics.data(),
                          .sums = {parts.data(), blocks}});
  }
  const auto actual = dx.download();
  const auto expected =
      reference::dense_backward(reference::reshape(map.values, {1, 1, shape().inputs}), doubles(w),
                                rows(shape().images, shape().outputs, dy));
  EXPECT_TRUE(test::all_near(actual, expected.x.values, sums_of(shape().outputs)));
  EXPECT_TRUE(test::all_near(added_up(parts.download(), channels), map.sums(actual, 0, map.rows()),
                             {.absolute = 2e-6, .of_largest = 2e-6}));
}

TEST_P(StageDense, WeightGradientsOfBothLayers) {
  TestMap map(c().images, c().map, 0);
  map.leave_statistics();
  const DenseShape back{shape().images, shape().outputs, shape().inputs};
  const auto latent = random_values(shape().images * shape().outputs, 13);
  const auto latent_gradient = random_values(shape().images * shape().outputs, 14);
  const auto hidden_gradient = random_values(shape().images * shape().inputs, 15);
  const DeviceArray<float> device_latent(latent), device_latent_gradient(latent_gradient),
      device_hidden_gradient(hidden_gradient);
  DeviceArray<float> first(static_cast<size_t>(shape().inputs * shape().outputs));
  DeviceArray<float> second(first.size());
  NormalisedMap plain;
  plain.x = device_latent.data();
  plain.channels = 4;
  for (int i = 0; i < 2; ++i) {
    dense_stage_weight_gradients(nullptr,
                                 {shape(), map.normalised(Normalisation::statistics),
                                  device_latent_gradient.data(), first.data()},
                                 {back, plain, device_hidden_gradient.data(), second.data()});
  }
  const reference::Values no_kernel(first.size());
  const auto encoder =
      reference::dense_backward(reference::reshape(map.output(), {1, 1, shape().inputs}), no_kernel,
                                rows(shape().images, shape().outputs, latent_gradient));
  EXPECT_TRUE(test::all_near(first.download(), encoder.kernel, sums_of(shape().images)));
  const auto decoder =
      reference::dense_backward(rows(shape().images, shape().outputs, latent), no_kernel,
                                rows(shape().images, shape().inputs, hidden_gradient));
  EXPECT_TRUE(test::all_near(second.download(), decoder.kernel, sums_of(shape().images)));
}

TEST(DenseWhole, IsTheReferencesInOneLaunch) {
  // Of few outputs from many inputs, which dense cuts.
  const DenseShape shape{9, 400, 12};
  ASSERT_GT(dense_workspace(shape), 0);
  const auto x = random_values(shape.images * shape.inputs, 0);
  const auto w = random_values(shape.inputs * shape.outputs, 1);
  const auto bias = random_values(shape.outputs, 2);
  const DeviceArray<float> device_x(x), device_w(w), device_bias(bias);
  DeviceArray<float> y(static_cast<size_t>(shape.images * shape.outputs));
  dense_whole(nullptr, shape, device_x.data(), device_w.data(), device_bias.data(), y.data());
  const auto expected =
      reference::dense(rows(shape.images, shape.inputs, x), doubles(w), doubles(bias));
  EXPECT_TRUE(test::all_near(y.download(), expected.values, sums_of(shape.inputs)));
}

}  // namespace
}  // namespace oddity::kernels
