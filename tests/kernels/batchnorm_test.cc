#include "batchnorm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/near.h"

namespace oddity::kernels {

static void PrintTo(const BatchNormShape& shape, std::ostream* out) {
  *out << shape.rows << "x" << shape.channels;
}

namespace {

reference::Batch rows_of(const BatchNormShape& shape, const std::vector<float>& values) {
  return batch(shape.rows, {1, 1, shape.channels}, values);
}

// Of each channel its own mean (0, then ± `mean`) and deviation.
std::vector<float> random_input(const BatchNormShape& shape, float mean) {
  auto x = random_values(shape.rows * shape.channels, 0);
  for (size_t i = 0; i < x.size(); ++i) {
    const auto c = static_cast<int64_t>(i) % shape.channels;
    x[i] = x[i] * (1 + static_cast<float>(c % 5)) + mean * static_cast<float>(c % 3 - 1);
  }
  return x;
}

struct Forward {
  std::vector<float> y, mean, inverse_deviation, moving_mean, moving_variance;
  friend bool operator==(const Forward&, const Forward&) = default;
};

struct Parameters {
  std::vector<float> gamma, beta, moving_mean, moving_variance;
};

Parameters random_parameters(int64_t channels) {
  Parameters p{random_values(channels, 10), random_values(channels, 11),
               random_values(channels, 12), random_values(channels, 13)};
  for (float& gamma : p.gamma) gamma += 1.5f;
  for (float& variance : p.moving_variance) variance += 1.25f;
  return p;
}

// Twice with one workspace: outputs are overwritten; the moving moments begin anew.
Forward train(const BatchNormShape& shape, const float* x, const Parameters& p) {
  const int64_t c = shape.channels;
  const DeviceArray<float> gamma(p.gamma), beta(p.beta);
  DeviceArray<float> y(shape.rows * c), mean(c), inverse(c), workspace(batch_norm_workspace(shape));
  Forward result;
  for (int i = 0; i < 2; ++i) {
    DeviceArray<float> moving_mean(p.moving_mean), moving_variance(p.moving_variance);
    batch_norm_training(nullptr, shape, x, gamma.data(), beta.data(), y.data(), mean.data(),
                        inverse.data(), moving_mean.data(), moving_variance.data(),
                        workspace.data());
    result.moving_mean = moving_mean.download();
    result.moving_variance = moving_variance.download();
  }
  result.y = y.download();
  result.mean = mean.download();
  result.inverse_deviation = inverse.download();
  return result;
}

struct Backward {
  std::vector<float> dx, dgamma, dbeta;
  friend bool operator==(const Backward&, const Backward&) = default;
};

Backward differentiate(const BatchNormShape& shape, const float* x, const float* dy,
                       const Parameters& p, const Forward& forward) {
  const int64_t c = shape.channels;
  const DeviceArray<float> gamma(p.gamma), mean(forward.mean), inverse(forward.inverse_deviation);
  DeviceArray<float> dx(shape.rows * c), dgamma(c), dbeta(c),
      workspace(batch_norm_workspace(shape));
  for (int i = 0; i < 2; ++i) {
    batch_norm_backward(nullptr, shape, x, dy, gamma.data(), mean.data(), inverse.data(), dx.data(),
                        dgamma.data(), dbeta.data(), workspace.data());
  }
  return {dx.download(), dgamma.download(), dbeta.download()};
}

reference::Values inverse_deviations(const reference::Moments& moments) {
  reference::Values result;
  for (const double variance : moments.variance) {
    result.push_back(1 / std::sqrt(variance + reference::kEpsilon));
  }
  return result;
}

reference::Values moved(const std::vector<float>& moving, const reference::Values& batch_moments) {
  reference::Values result;
  for (size_t c = 0; c < moving.size(); ++c) {
    result.push_back(0.99 * static_cast<double>(moving[c]) + 0.01 * batch_moments[c]);
  }
  return result;
}

class BatchNormTest : public testing::TestWithParam<BatchNormShape> {
 protected:
  const BatchNormShape& shape() const { return GetParam(); }
  int64_t numbers() const { return shape().rows * shape().channels; }
};

// One row and many, one block of columns and several, lanes that are and are not a power of 2; the
// last rows of a block missing; more than the least number of rows a thread; the default network's.
INSTANTIATE_TEST_SUITE_P(Shapes, BatchNormTest,
                         testing::Values(BatchNormShape{1, 1}, BatchNormShape{1, 33},
                                         BatchNormShape{2, 4}, BatchNormShape{31, 3},
                                         BatchNormShape{33, 64}, BatchNormShape{257, 33},
                                         BatchNormShape{5, 257}, BatchNormShape{257, 1000},
                                         BatchNormShape{6272, 32}, BatchNormShape{1568, 64},
                                         BatchNormShape{140001, 1}, BatchNormShape{30011, 12}),
                         testing::PrintToStringParamName());

// Means of 0 and ± 1000 with deviations from .6 to 3. A mean of 1000 is rounded by up to 3.1e-5,
// and through it y by up to 2.5 / .58 of that; what else is lost is a few 2⁻²⁴ of deviations.
// Adding up x and x² in float32 misses these bounds by orders of magnitude.
TEST_P(BatchNormTest, TrainingIsTheReferencesFarFromZeroToo) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto p = random_parameters(shape().channels);
  for (const float mean : {0.0f, 1000.0f}) {
    SCOPED_TRACE("mean " + std::to_string(mean));
    const double mean_rounding = static_cast<double>(mean) * 0x1p-25 * 1.05;
    const auto x = random_input(shape(), mean);
    const DeviceArray<float> device_x(x);
    const Forward result = train(shape(), device_x.data(), p);

    const auto input = rows_of(shape(), x);
    const auto moments = reference::moments(input);
    const auto y = reference::batch_norm(input, moments, doubles(p.gamma), doubles(p.beta));
    EXPECT_TRUE(test::all_near(result.mean, moments.mean, {.absolute = mean_rounding + 3e-7}));
    EXPECT_TRUE(
        test::all_near(result.inverse_deviation, inverse_deviations(moments), {.relative = 6e-7}));
    // Few rows have a deviation as small as √.001, which divides what was rounded.
    const double steepest = test::largest(result.inverse_deviation) * 2.5;
    EXPECT_TRUE(test::all_near(result.y, y.values,
                               {.absolute = mean_rounding * steepest + 3e-6, .relative = 2e-6}));
    EXPECT_TRUE(test::all_near(result.moving_mean, moved(p.moving_mean, moments.mean),
                               {.absolute = 0.01 * mean_rounding + 3e-7, .relative = 2e-7}));
    EXPECT_TRUE(test::all_near(result.moving_variance, moved(p.moving_variance, moments.variance),
                               {.absolute = 3e-7, .relative = 2e-7}));
  }
}

TEST_P(BatchNormTest, BackwardIsTheReferences) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto p = random_parameters(shape().channels);
  const auto x = random_input(shape(), 1.0f);
  const auto dy = random_values(numbers(), 5);
  const DeviceArray<float> device_x(x), device_dy(dy);
  const Forward forward = train(shape(), device_x.data(), p);
  const Backward result = differentiate(shape(), device_x.data(), device_dy.data(), p, forward);
  const auto expected =
      reference::batch_norm_backward(rows_of(shape(), x), doubles(p.gamma), rows_of(shape(), dy));
  // Sums of numbers of either sign and of size 1: tolerance as for bias_gradient, and for dgamma
  // the rounding of z, 5 units of numbers up to 2, besides.
  const double rows = std::sqrt(static_cast<double>(shape().rows));
  EXPECT_TRUE(test::all_near(result.dbeta, expected.beta, {.absolute = 16 * 0x1p-24 * rows}));
  EXPECT_TRUE(test::all_near(result.dgamma, expected.gamma, {.absolute = 32 * 0x1p-24 * rows}));
  // A difference of three numbers of size 1, times gamma / deviation.
  const double steepest = test::largest(forward.inverse_deviation) * 2.5;
  EXPECT_TRUE(test::all_near(result.dx, expected.x.values, {.absolute = 1e-6 * steepest}));

  DeviceArray<float> in_place(dy), dgamma(shape().channels), dbeta(shape().channels),
      workspace(batch_norm_workspace(shape()));
  const DeviceArray<float> gamma(p.gamma), mean(forward.mean), inverse(forward.inverse_deviation);
  batch_norm_backward(nullptr, shape(), device_x.data(), in_place.data(), gamma.data(), mean.data(),
                      inverse.data(), in_place.data(), dgamma.data(), dbeta.data(),
                      workspace.data());
  EXPECT_EQ((Backward{in_place.download(), dgamma.download(), dbeta.download()}), result);
}

TEST_P(BatchNormTest, TheSameBitsWhereverTheInputLies) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto p = random_parameters(shape().channels);
  auto x = random_input(shape(), 1.0f);
  auto dy = random_values(numbers(), 5);
  const DeviceArray<float> aligned_x(x), aligned_dy(dy);
  x.insert(x.begin(), 0.0f);
  dy.insert(dy.begin(), 0.0f);
  const DeviceArray<float> shifted_x(x), shifted_dy(dy);
  const Forward forward = train(shape(), aligned_x.data(), p);
  EXPECT_EQ(train(shape(), shifted_x.data() + 1, p), forward);
  EXPECT_EQ(differentiate(shape(), shifted_x.data() + 1, shifted_dy.data() + 1, p, forward),
            differentiate(shape(), aligned_x.data(), aligned_dy.data(), p, forward));
}

// The inverse deviation is rounded by 2⁻²⁵ of itself, the variance plus .001 hence by 2⁻²⁴.
TEST_P(BatchNormTest, MovingMomentsFromWhatTrainingLeft) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const int64_t c = shape().channels;
  const auto p = random_parameters(c);
  const DeviceArray<float> x(random_input(shape(), 1.0f));
  const Forward forward = train(shape(), x.data(), p);
  const DeviceArray<float> mean(forward.mean), inverse(forward.inverse_deviation);
  DeviceArray<float> moving_mean(p.moving_mean), moving_variance(p.moving_variance);
  batch_norm_moving(nullptr, c, mean.data(), inverse.data(), moving_mean.data(),
                    moving_variance.data());
  EXPECT_EQ(moving_mean.download(), forward.moving_mean);
  EXPECT_TRUE(test::all_near(moving_variance.download(), forward.moving_variance,
                             {.absolute = 1e-9, .relative = 2e-7}));
}

// Folding rounds scale and shift; with |mean| · scale up to 2.5 / √.25 that is a few 2⁻²⁴ of 5.
TEST_P(BatchNormTest, InferenceIsTheReferences) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const int64_t c = shape().channels;
  const auto p = random_parameters(c);
  const auto x = random_input(shape(), 1.0f);
  const DeviceArray<float> gamma(p.gamma), beta(p.beta), moving_mean(p.moving_mean),
      moving_variance(p.moving_variance), device_x(x);
  DeviceArray<float> scale(c), shift(c), y(numbers()), in_place(x);
  for (int i = 0; i < 2; ++i) {
    batch_norm_fold(nullptr, c, gamma.data(), beta.data(), moving_mean.data(),
                    moving_variance.data(), scale.data(), shift.data());
    batch_norm_inference(nullptr, shape(), device_x.data(), scale.data(), shift.data(), y.data());
  }
  batch_norm_inference(nullptr, shape(), in_place.data(), scale.data(), shift.data(),
                       in_place.data());
  const auto expected = reference::batch_norm(rows_of(shape(), x),
                                              {doubles(p.moving_mean), doubles(p.moving_variance)},
                                              doubles(p.gamma), doubles(p.beta));
  EXPECT_TRUE(
      test::all_near(y.download(), expected.values, {.absolute = 1.5e-6, .relative = 5e-7}));
  EXPECT_EQ(y.download(), in_place.download());
}

TEST_P(BatchNormTest, ConstantChannelsGiveBetaAndNoGradientButTheirOwn) {
  const auto p = random_parameters(shape().channels);
  for (const float constant : {0.0f, 1000.0f}) {
    const std::vector<float> x(static_cast<size_t>(numbers()), constant);
    const DeviceArray<float> device_x(x);
    const DeviceArray<float> ones(std::vector<float>(x.size(), 1.0f));
    const Forward forward = train(shape(), device_x.data(), p);
    for (size_t c = 0; c < forward.mean.size(); ++c) {
      ASSERT_EQ(forward.mean[c], constant) << c;
      ASSERT_EQ(forward.inverse_deviation[c],
                static_cast<float>(1 / std::sqrt(static_cast<double>(kBatchNormEpsilon))))
          << c;
    }
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(forward.y[i], p.beta[i % p.beta.size()]) << i;
    const Backward backward = differentiate(shape(), device_x.data(), ones.data(), p, forward);
    EXPECT_EQ(backward.dbeta,
              std::vector<float>(forward.mean.size(), static_cast<float>(shape().rows)));
    EXPECT_EQ(backward.dgamma, std::vector<float>(forward.mean.size(), 0.0f));
    EXPECT_EQ(backward.dx, std::vector<float>(x.size(), 0.0f));
  }
}

TEST(BatchNorm, NanReachesItsOwnChannelOnly) {
  const BatchNormShape shape{513, 5};
  auto x = random_input(shape, 1.0f);
  x[500 * 5 + 3] = std::nanf("");
  const DeviceArray<float> device_x(x);
  const Forward result = train(shape, device_x.data(), random_parameters(5));
  for (size_t c = 0; c < 5; ++c) {
    EXPECT_EQ(std::isnan(result.mean[c]), c == 3) << c;
    EXPECT_EQ(std::isnan(result.inverse_deviation[c]), c == 3) << c;
    EXPECT_EQ(std::isnan(result.moving_mean[c]), c == 3) << c;
    EXPECT_EQ(std::isnan(result.moving_variance[c]), c == 3) << c;
  }
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(std::isnan(result.y[i]), i % 5 == 3) << i;
}

}  // namespace
}  // namespace oddity::kernels
