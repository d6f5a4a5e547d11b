// The convolutions of a training step in few launches, forward and backward: against
// tests/reference, and, where nothing is done to the numbers on the way, the bits of the kernels
// that do one thing each.
#include "stage.h"

#include <gtest/gtest.h>

#include <string>

#include "conv2d_transpose.h"
#include "kernels/stage_case.h"
#include "support/test_images.h"

namespace oddity::kernels {
namespace {

// Normalised numbers reach 4, some sums of them 10; a float32's last digit there is 1e-6.
constexpr test::Tolerance kMoments{.absolute = 2e-6, .of_largest = 2e-6};
test::Tolerance sums_of(int64_t n) {
  return {.absolute = sum_tolerance(n), .of_largest = sum_tolerance(n) / 10};
}

// Of stride 2, all tiles, whole and partial; the last two have more tiles than blocks.
std::vector<Conv2dShape> stage_shapes() {
  std::vector<Conv2dShape> shapes;
  for (const Conv2dShape& shape : conv2d_shapes()) {
    if (shape.stride == 2 && shape.large_pixels() * shape.channels < 60000) shapes.push_back(shape);
  }
  shapes.push_back({2, 128, 132, 3, 5, 2});
  shapes.push_back({1, 100, 98, 4, 8, 2});
  return shapes;
}

class StageTest : public testing::TestWithParam<Conv2dShape> {
 protected:
  void SetUp() override { seed_.emplace(__FILE__, __LINE__, "seed " + std::to_string(kSeed)); }

  const Conv2dShape& shape() const { return GetParam(); }
  std::vector<float> w() const { return random_values(weight_count(shape()), 100); }

 private:
  std::optional<testing::ScopedTrace> seed_;
};

INSTANTIATE_TEST_SUITE_P(Shapes, StageTest, testing::ValuesIn(stage_shapes()),
                         [](const auto& test) { return name(test.param); });

/// A stage's output on the device. Every launch overwrites what the last left.
class Output {
 public:
  Output(const Conv2dShape& shape, const ImageShape& side, int blocks)
      : rows_(shape.images * side.height * side.width),
        channels_(side.channels),
        blocks_(blocks),
        bias_(random_values(channels_, 101)),
        bias(bias_),
        y(static_cast<size_t>(rows_ * channels_)),
        parts(static_cast<size_t>(2 * blocks * channels_)),
        counts(static_cast<size_t>(blocks)) {}

  ActivationOutput output() {
    return {.y = y.data(),
            .bias = bias.data(),
            .moments = {parts.data(), counts.data(), blocks_, rows_}};
  }
  void expect_moments() const {
    const auto actual = merged(parts.download(), counts.download(), channels_);
    const auto expected = reference::moments(batch(rows_, {1, 1, channels_}, y.download()));
    EXPECT_TRUE(test::all_near(actual.mean, expected.mean, kMoments));
    EXPECT_TRUE(test::all_near(actual.variance, expected.variance, kMoments));
  }

 private:
  int64_t rows_, channels_;
  int blocks_;
  std::vector<float> bias_;

 public:
  DeviceArray<float> bias, y, parts, counts;
  reference::Values bias_values() const { return doubles(bias_); }
};

TEST_P(StageTest, FirstReadsPixelsOfEveryType) {
  constexpr int64_t kStored = 9;
  const int64_t size = shape().height * shape().width * shape().channels;
  std::vector<uint32_t> order(static_cast<size_t>(3 * shape().images));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>((5 * i + 2) % kStored);
  const DeviceArray<uint32_t> positions(order);
  const DeviceArray<EpochState> state(std::vector<EpochState>{{2}});
  const DeviceArray<float> device_w(w());
  Output stage(shape(), small_side(shape()), conv2d_stage_blocks(shape()));
  Output plain(shape(), small_side(shape()), 1);
  DeviceArray<float> x(static_cast<size_t>(shape().images * size));
  const auto check_type = [&]<typename Pixel>(Pixels type) {
    SCOPED_TRACE(sizeof(Pixel));
    const DeviceArray<Pixel> pixels(
        test::random_images<Pixel>({1, 1, size}, kStored, kSeed).pixels);
    const PixelBatch images{type, pixels.data(), positions.data(), state.data(), shape().images};
    conv2d_stage(nullptr, shape(), images, device_w.data(), stage.output());
    gather_images(nullptr, type, pixels.data(), size, positions.data(), state.data(),
                  shape().images, 0, shape().images, x.data());
    conv2d(nullptr, shape(), x.data(), device_w.data(), plain.bias.data(),
           Epilogue::bias_leaky_relu, plain.y.data());
    EXPECT_EQ(stage.y.download(), plain.y.download());
    stage.expect_moments();
  };
  check_type.operator()<uint8_t>(Pixels::u8);
  check_type.operator()<uint16_t>(Pixels::u16);
  check_type.operator()<float>(Pixels::f32);
}

TEST_P(StageTest, ConvolutionNormalisesItsInput) {
  TestMap x(shape().images, large_side(shape()), 0);
  const DeviceArray<float> device_w(w());
  Output stage(shape(), small_side(shape()), conv2d_stage_blocks(shape()));
  const auto expected = reference::leaky_relu(reference::conv2d(
      x.output(), keras_kernel(shape(), w()), stage.bias_values(), shape().stride));
  // The moments leave the statistics that the second launch reads.
  for (const Normalisation by : {Normalisation::moments, Normalisation::statistics}) {
    conv2d_stage(nullptr, shape(), x.normalised(by), device_w.data(), stage.output());
    EXPECT_TRUE(test::all_near(stage.y.download(), expected.values, sums_of(9 * shape().channels)));
    stage.expect_moments();
  }
  EXPECT_TRUE(test::all_near(x.statistics.download(), x.expected_statistics(), kMoments));
}

TEST_P(StageTest, TransposedConvolutionNormalisesItsInput) {
  TestMap x(shape().images, small_side(shape()), 0);
  const DeviceArray<float> device_w(w());
  Output stage(shape(), large_side(shape()), conv2d_transpose_stage_blocks(shape()));
  const auto expected = reference::leaky_relu(reference::conv2d_transpose(
      x.output(), keras_kernel(shape(), w()), stage.bias_values(), shape().stride));
  for (const Normalisation by : {Normalisation::moments, Normalisation::statistics}) {
    conv2d_transpose_stage(nullptr, shape(), x.normalised(by), device_w.data(), stage.output());
    EXPECT_TRUE(test::all_near(stage.y.download(), expected.values, sums_of(9 * shape().filters)));
    stage.expect_moments();
  }
  EXPECT_TRUE(test::all_near(x.statistics.download(), x.expected_statistics(), kMoments));
}

TEST_P(StageTest, WithoutNormalisationBitsAreThoseOfTheLayersAlone) {
  TestMap large(shape().images, large_side(shape()), 0);
  TestMap small(shape().images, small_side(shape()), 10);
  const DeviceArray<float> device_w(w());
  Output down(shape(), small_side(shape()), conv2d_stage_blocks(shape()));
  Output up(shape(), large_side(shape()), conv2d_transpose_stage_blocks(shape()));
  DeviceArray<float> y(down.y.size()), x(up.y.size());
  conv2d_stage(nullptr, shape(), large.normalised(Normalisation::none), device_w.data(),
               down.output());
  conv2d(nullptr, shape(), large.device_y.data(), device_w.data(), down.bias.data(),
         Epilogue::bias_leaky_relu, y.data());
  EXPECT_EQ(down.y.download(), y.download());
  conv2d_transpose_stage(nullptr, shape(), small.normalised(Normalisation::none), device_w.data(),
                         up.output());
  conv2d_transpose(nullptr, shape(), small.device_y.data(), device_w.data(), up.bias.data(),
                   Epilogue::bias_leaky_relu, x.data());
  EXPECT_EQ(up.y.download(), x.download());
}

/// `count` images from `first` on of values [images, …].
std::vector<float> images_of(const std::vector<float>& values, int64_t images, int64_t first,
                             int64_t count) {
  const int64_t size = std::ssize(values) / images;
  return {values.begin() + first * size, values.begin() + (first + count) * size};
}

// Without moments a launch is cut otherwise.
TEST_P(StageTest, InferenceHasTheBitsOfTrainingWhateverTheNumberOfImages) {
  TestMap large(shape().images, large_side(shape()), 0);
  TestMap small(shape().images, small_side(shape()), 10);
  large.leave_statistics();
  small.leave_statistics();
  const DeviceArray<float> device_w(w());
  Output down(shape(), small_side(shape()), conv2d_stage_blocks(shape()));
  Output up(shape(), large_side(shape()), conv2d_transpose_stage_blocks(shape()));
  const auto statistics = Normalisation::statistics;
  conv2d_stage(nullptr, shape(), large.normalised(statistics), device_w.data(), down.output());
  conv2d_transpose_stage(nullptr, shape(), small.normalised(statistics), device_w.data(),
                         up.output());
  const auto expect = [&](int64_t first, int64_t count) {
    Conv2dShape some = shape();
    some.images = count;
    DeviceArray<float> y(down.y.size() / shape().images * count);
    DeviceArray<float> x(up.y.size() / shape().images * count);
    NormalisedMap from_large = large.normalised(statistics);
    from_large.x += first * shape().height * shape().width * shape().channels;
    NormalisedMap from_small = small.normalised(statistics);
    from_small.x += first * shape().small_height() * shape().small_width() * shape().filters;
    for (int i = 0; i < 2; ++i) {
      conv2d_stage(nullptr, some, from_large, device_w.data(),
                   PlainOutput{y.data(), down.bias.data()});
      conv2d_transpose_stage(nullptr, some, from_small, device_w.data(),
                             PlainOutput{x.data(), up.bias.data()});
    }
    EXPECT_EQ(y.download(), images_of(down.y.download(), shape().images, first, count));
    EXPECT_EQ(x.download(), images_of(up.y.download(), shape().images, first, count));
  };
  expect(0, shape().images);
  expect(shape().images - 1, 1);
}

TEST_P(StageTest, InferenceReadsPixelsInOrderAndByPositions) {
  const int64_t size = shape().height * shape().width * shape().channels;
  const auto images = static_cast<size_t>(shape().images);
  const DeviceArray<uint8_t> pixels(
      test::random_images<uint8_t>({1, 1, size}, images + 2, kSeed).pixels);
  const DeviceArray<float> device_w(w());
  Output plain(shape(), small_side(shape()), 1);
  DeviceArray<float> x(images * static_cast<size_t>(size)), y(plain.y.size());
  const auto expect = [&](const PixelBatch& batch) {
    conv2d_stage(nullptr, shape(), batch, device_w.data(),
                 PlainOutput{y.data(), plain.bias.data()});
    conv2d(nullptr, shape(), x.data(), device_w.data(), plain.bias.data(),
           Epilogue::bias_leaky_relu, plain.y.data());
    EXPECT_EQ(y.download(), plain.y.download());
  };
  load_images(nullptr, Pixels::u8, pixels.data(), size, 2, shape().images, x.data());
  expect({.type = Pixels::u8, .pixels = pixels.data() + 2 * size});
  std::vector<uint32_t> order(images);
  for (size_t i = 0; i < images; ++i) order[i] = static_cast<uint32_t>(images + 1 - i);
  const DeviceArray<uint32_t> positions(order);
  gather_images(nullptr, Pixels::u8, pixels.data(), size, positions.data(), nullptr, 0, 0,
                shape().images, x.data());
  expect({.type = Pixels::u8, .pixels = pixels.data(), .positions = positions.data()});
}

/// Where a gradient goes, of the map that it belongs to.
class OutputGradient {
 public:
  OutputGradient(TestMap& map, int blocks)
      : dx(static_cast<size_t>(map.rows() * map.channels())),
        parts(static_cast<size_t>(blocks * kGradientSums * map.channels())),
        map_(map),
        blocks_(blocks) {
    map.leave_statistics();
  }
  GradientOutput output() {
    return {.dx = dx.data(),
            .activation = map_.device_y.data(),
            .statistics = map_.statistics.data(),
            .sums = {parts.data(), blocks_}};
  }
  void expect(const reference::Values& expected, const test::Tolerance& tolerance) {
    const auto actual = dx.download();
    EXPECT_TRUE(test::all_near(actual, expected, tolerance));
    EXPECT_TRUE(test::all_near(added_up(parts.download(), map_.channels()),
                               map_.sums(actual, 0, map_.rows()), kMoments));
  }

  DeviceArray<float> dx, parts;

 private:
  TestMap& map_;
  int blocks_;
};

TEST_P(StageTest, GradientOfATransposedStage) {
  TestMap large(shape().images, large_side(shape()), 0);
  TestMap small(shape().images, small_side(shape()), 10);
  TestGradient dy(large, 20);
  OutputGradient dx(small, conv2d_stage_blocks(shape()));
  const DeviceArray<float> device_w(w());
  const reference::Values no_bias(static_cast<size_t>(shape().filters));
  const auto expected =
      reference::conv2d(dy.expected.delta, keras_kernel(shape(), w()), no_bias, 2);
  for (int i = 0; i < 2; ++i) {
    conv2d_stage_gradient(nullptr, shape(), dy.gradient(), device_w.data(), dx.output());
  }
  dx.expect(expected.values, sums_of(9 * shape().channels));

  // The same without a normalisation behind it.
  DeviceArray<float> alone(dx.dx.size());
  GradientOutput plain;
  plain.dx = alone.data();
  conv2d_stage_gradient(nullptr, shape(), dy.gradient(), device_w.data(), plain);
  EXPECT_EQ(alone.download(), dx.dx.download());
}

TEST_P(StageTest, GradientOfAStage) {
  TestMap large(shape().images, large_side(shape()), 0);
  TestMap small(shape().images, small_side(shape()), 10);
  TestGradient dy(small, 20);
  OutputGradient dx(large, conv2d_transpose_stage_blocks(shape()));
  const DeviceArray<float> device_w(w());
  const reference::Values no_bias(static_cast<size_t>(shape().channels));
  const auto expected =
      reference::conv2d_transpose(dy.expected.delta, keras_kernel(shape(), w()), no_bias, 2);
  for (int i = 0; i < 2; ++i) {
    conv2d_transpose_stage_gradient(nullptr, shape(), dy.gradient(), device_w.data(), dx.output());
  }
  dx.expect(expected.values, sums_of(9 * shape().filters));
}

/// The gradient of the weights from its slices.
reference::Values whole(const Conv2dShape& shape, const DeviceArray<float>& parts) {
  reference::Values sum(static_cast<size_t>(weight_count(shape)));
  const auto values = parts.download();
  for (size_t i = 0; i < values.size(); ++i) sum[i % sum.size()] += static_cast<double>(values[i]);
  return sum;
}

TEST_P(StageTest, WeightGradients) {
  TestMap large(shape().images, large_side(shape()), 0);
  TestMap small(shape().images, small_side(shape()), 10);
  TestGradient of_large(large, 20);
  TestGradient of_small(small, 30);
  DeviceArray<float> parts(
      static_cast<size_t>(stage_weight_gradient_slices(shape()) * weight_count(shape())));
  const reference::Values no_kernel(static_cast<size_t>(weight_count(shape())));
  const auto expect = [&](const reference::Batch& x, const reference::Batch& dy) {
    const auto expected = reference::conv2d_backward(x, no_kernel, dy, shape().stride);
    EXPECT_TRUE(test::all_near(whole(shape(), parts), device_kernel(shape(), expected.kernel),
                               sums_of(shape().small_pixels())));
  };
  const auto statistics = Normalisation::statistics;
  stage_weight_gradient(nullptr, shape(), large.normalised(statistics), of_small.gradient(),
                        parts.data());
  expect(large.output(), of_small.expected.delta);
  stage_weight_gradient(nullptr, shape(), of_large.gradient(), small.normalised(statistics),
                        parts.data());
  expect(of_large.expected.delta, small.output());
  stage_weight_gradient(nullptr, shape(), large.normalised(Normalisation::none),
                        small.normalised(statistics), parts.data());
  expect(large.values, small.output());

  const DeviceArray<uint32_t> positions(test::in_order(static_cast<size_t>(shape().images)));
  const DeviceArray<EpochState> state(std::vector<EpochState>{{0}});
  const PixelBatch pixels{Pixels::f32, large.device_y.data(), positions.data(), state.data(),
                          shape().images};
  stage_weight_gradient(nullptr, shape(), pixels, of_small.gradient(), parts.data());
  expect(large.values, of_small.expected.delta);
}

// Stride 1: the last stage, whose gradient is that of the logits.
TEST(LastStageGradients, AreTheReferences) {
  for (const Conv2dShape& shape :
       {Conv2dShape{3, 12, 10, 1, 32, 1}, Conv2dShape{2, 5, 7, 3, 19, 1},
        Conv2dShape{2, 60, 70, 1, 5, 1}, Conv2dShape{2, 6, 6, 8, 36, 1}}) {
    SCOPED_TRACE(name(shape));
    TestMap logits(shape.images, large_side(shape), 0);
    TestMap x(shape.images, small_side(shape), 10);
    OutputGradient dx(x, conv2d_stage_blocks(shape));
    const auto w = random_values(weight_count(shape), 100);
    const DeviceArray<float> device_w(w);
    conv2d_stage_gradient(nullptr, shape, logits.normalised(Normalisation::none), device_w.data(),
                          dx.output());
    const reference::Values no_bias(static_cast<size_t>(shape.filters));
    dx.expect(reference::conv2d(logits.values, keras_kernel(shape, w), no_bias, 1).values,
              sums_of(9 * shape.channels));
    DeviceArray<float> parts(
        static_cast<size_t>(stage_weight_gradient_slices(shape) * weight_count(shape)));
    stage_weight_gradient(nullptr, shape, logits.normalised(Normalisation::none),
                          x.normalised(Normalisation::statistics), parts.data());
    const reference::Values no_kernel(static_cast<size_t>(weight_count(shape)));
    const auto expected = reference::conv2d_backward(logits.values, no_kernel, x.output(), 1);
    EXPECT_TRUE(test::all_near(whole(shape, parts), device_kernel(shape, expected.kernel),
                               sums_of(shape.small_pixels())));
  }
}

TEST(StageMoments, NothingCancelsWhereTheMeanIsLarge) {
  const Conv2dShape shape{4, 20, 20, 8, 12, 2};
  TestMap x(shape.images, large_side(shape), 0, /*offset=*/300);
  const DeviceArray<float> w(random_values(weight_count(shape), 1));
  Output stage(shape, small_side(shape), conv2d_stage_blocks(shape));
  // A filter that copies adds up to 300s: its own moments are of that size.
  conv2d_stage(nullptr, shape, x.normalised(Normalisation::none), w.data(), stage.output());
  const auto actual = merged(stage.parts.download(), stage.counts.download(), shape.filters);
  const auto expected =
      reference::moments(batch(shape.small_pixels(), {1, 1, shape.filters}, stage.y.download()));
  EXPECT_TRUE(test::all_near(actual.variance, expected.variance, {.relative = 1e-5}));

  conv2d_stage(nullptr, shape, x.normalised(Normalisation::moments), w.data(), stage.output());
  const auto statistics = x.statistics.download();
  for (int64_t c = 0; c < shape.channels; ++c) {
    const auto variance =
        static_cast<double>(statistics[static_cast<size_t>(kVariance * shape.channels + c)]);
    const double right = x.moments.variance[static_cast<size_t>(c)];
    EXPECT_NEAR(variance, right, 1e-5 * right) << c;
  }
}

}  // namespace
}  // namespace oddity::kernels
