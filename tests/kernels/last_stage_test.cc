// The last stage: transposed convolution, sigmoid, errors and their gradient in one launch.
#include "last_stage.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/stage_case.h"
#include "support/test_images.h"

namespace oddity::kernels {
namespace {

class LastStage : public testing::TestWithParam<Conv2dShape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, LastStage,
                         testing::Values(Conv2dShape{1, 2, 2, 1, 1, 1},
                                         Conv2dShape{3, 6, 10, 3, 5, 1},
                                         Conv2dShape{2, 28, 28, 1, 32, 1},
                                         Conv2dShape{2, 10, 70, 2, 12, 1},
                                         Conv2dShape{33, 4, 4, 6, 36, 1}),
                         [](const auto& test) { return name(test.param); });

TEST_P(LastStage, IsTheReferences) {
  const Conv2dShape& shape = GetParam();
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto images = static_cast<size_t>(shape.images);
  TestMap x(shape.images, small_side(shape), 0);
  const auto w = random_values(weight_count(shape), 10);
  const auto bias = random_values(shape.channels, 11);
  const DeviceArray<float> device_w(w), device_bias(bias);
  const int64_t size = shape.height * shape.width * shape.channels;
  const auto stored = test::random_images<uint16_t>(large_side(shape), images + 3, kSeed);
  const DeviceArray<uint16_t> pixels(stored.pixels);
  std::vector<uint32_t> order(2 * images);
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = static_cast<uint32_t>((i * 2 + 1) % (images + 3));
  const DeviceArray<uint32_t> positions(order);
  const DeviceArray<EpochState> state(std::vector<EpochState>{{1}});
  reference::Batch target(shape.images, large_side(shape));
  for (size_t i = 0; i < target.values.size(); ++i) {
    const size_t image = i / static_cast<size_t>(size);
    const size_t from = order[images + image] * static_cast<size_t>(size);
    target.values[i] = stored.pixels[from + i % static_cast<size_t>(size)] / 65535.0;
  }

  const auto blocks = static_cast<size_t>(shape.images * last_stage_blocks(shape));
  const auto channels = static_cast<size_t>(shape.channels);
  DeviceArray<float> dx(target.values.size()), squares(blocks * channels),
      bias_parts(blocks * channels);
  DeviceArray<int64_t> step(1);
  const auto logits =
      reference::conv2d_transpose(x.output(), keras_kernel(shape, w), doubles(bias), 1);
  const auto y = reference::sigmoid(logits);
  const auto gradient =
      reference::sigmoid_backward(y, reference::mean_squared_error_backward(target, y));
  for (const Normalisation by : {Normalisation::moments, Normalisation::statistics}) {
    last_stage(nullptr, shape, x.normalised(by), device_w.data(), device_bias.data(),
               {Pixels::u16, pixels.data(), positions.data(), state.data(), shape.images},
               {dx.data(), squares.data(), bias_parts.data(), step.data()});
    EXPECT_TRUE(test::all_near(dx.download(), gradient.values, {.of_largest = 2e-5}));
    double sum = 0;
    for (const float square : squares.download()) sum += static_cast<double>(square);
    double expected = 0;
    for (const double error : reference::mean_squared_errors(target, y)) expected += error;
    EXPECT_NEAR(sum / static_cast<double>(size), expected, 2e-6 * expected);
    reference::Values of_bias(channels), expected_bias(channels);
    const auto parts = bias_parts.download();
    for (size_t i = 0; i < parts.size(); ++i)
      of_bias[i % channels] += static_cast<double>(parts[i]);
    for (size_t i = 0; i < gradient.values.size(); ++i) {
      expected_bias[i % channels] += gradient.values[i];
    }
    // A sum of numbers of both signs: what matters is their size.
    EXPECT_TRUE(test::all_near(of_bias, expected_bias, {.absolute = 1e-6}));
    EXPECT_EQ(step.download(), std::vector<int64_t>{1});
  }
}

}  // namespace
}  // namespace oddity::kernels
