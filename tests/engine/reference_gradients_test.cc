// The reference's backward passes against central differences of its forward passes, in float64.
#include <gtest/gtest.h>

#include <functional>

#include "reference/network.h"
#include "support/near.h"
#include "support/test_images.h"

namespace oddity::test {
namespace {

using reference::Batch;
using reference::Values;

// (L(w+h) − L(w−h)) / 2h is wrong by h²·L'''/6 and by the rounding of L, about 1e-16·|L| / h: for
// h = 1e-5 and |L| up to 100 both stay below 1e-8.
constexpr double kStep = 1e-5;
constexpr Tolerance kDifference{.absolute = 1e-8, .relative = 1e-8};

class Random {
 public:
  explicit Random(uint64_t seed) : philox_(seed, 0) {}
  Values values(int64_t n) {
    Values result(static_cast<size_t>(n));
    for (double& value : result) value = 2 * static_cast<double>(philox_.uniform()) - 1;
    return result;
  }
  Batch batch(int64_t count, const ImageShape& shape) {
    Batch result(count, shape);
    result.values = values(count * shape.size());
    return result;
  }

 private:
  Philox philox_;
};

/// Central differences of `loss` with respect to each number of `w`, which `loss` reads.
Values differences(Values& w, const std::function<double()>& loss) {
  Values result;
  for (double& number : w) {
    const double kept = number;
    number = kept + kStep;
    const double above = loss();
    number = kept - kStep;
    const double below = loss();
    number = kept;
    result.push_back((above - below) / (2 * kStep));
  }
  return result;
}

/// A loss whose gradient with respect to y is `weights`.
double weighted_sum(const Batch& y, const Batch& weights) {
  double sum = 0;
  for (size_t i = 0; i < y.values.size(); ++i) sum += y.values[i] * weights.values[i];
  return sum;
}

TEST(ReferenceGradientsTest, Convolution) {
  Random random(1);
  for (const int64_t stride : {1, 2}) {
    // Odd and even extents: 'same' pads (1,1) and (0,1) at stride 2.
    Batch x = random.batch(2, {5, 6, 3});
    Values kernel = random.values(3 * 3 * 3 * 4);
    Values bias = random.values(4);
    const auto forward = [&] { return conv2d(x, kernel, bias, stride); };
    const Batch dy = random.batch(2, forward().shape);
    const auto loss = [&] { return weighted_sum(forward(), dy); };
    const auto gradients = conv2d_backward(x, kernel, dy, stride);
    EXPECT_TRUE(all_near(gradients.x.values, differences(x.values, loss), kDifference));
    EXPECT_TRUE(all_near(gradients.kernel, differences(kernel, loss), kDifference));
    EXPECT_TRUE(all_near(gradients.bias, differences(bias, loss), kDifference));
  }
}

TEST(ReferenceGradientsTest, TransposedConvolution) {
  Random random(2);
  for (const int64_t stride : {1, 2}) {
    Batch x = random.batch(2, {3, 4, 3});
    Values kernel = random.values(3 * 3 * 2 * 3);
    Values bias = random.values(2);
    const auto forward = [&] { return conv2d_transpose(x, kernel, bias, stride); };
    const Batch dy = random.batch(2, forward().shape);
    const auto loss = [&] { return weighted_sum(forward(), dy); };
    const auto gradients = conv2d_transpose_backward(x, kernel, dy, stride);
    EXPECT_TRUE(all_near(gradients.x.values, differences(x.values, loss), kDifference));
    EXPECT_TRUE(all_near(gradients.kernel, differences(kernel, loss), kDifference));
    EXPECT_TRUE(all_near(gradients.bias, differences(bias, loss), kDifference));
  }
}

TEST(ReferenceGradientsTest, TransposedConvolutionIsTheAdjointOfTheConvolution) {
  Random random(3);
  for (const int64_t stride : {1, 2}) {
    const Batch coarse = random.batch(2, {3, 5, 4});
    const Batch fine = random.batch(2, {3 * stride, 5 * stride, 2});
    const Values kernel = random.values(3 * 3 * 2 * 4);
    EXPECT_NEAR(weighted_sum(conv2d(fine, kernel, Values(4), stride), coarse),
                weighted_sum(conv2d_transpose(coarse, kernel, Values(2), stride), fine), 1e-12);
  }
}

TEST(ReferenceGradientsTest, Dense) {
  Random random(4);
  Batch x = random.batch(3, {1, 1, 7});
  Values kernel = random.values(7 * 5);
  Values bias = random.values(5);
  const Batch dy = random.batch(3, {1, 1, 5});
  const auto loss = [&] { return weighted_sum(dense(x, kernel, bias), dy); };
  const auto gradients = dense_backward(x, kernel, dy);
  EXPECT_TRUE(all_near(gradients.x.values, differences(x.values, loss), kDifference));
  EXPECT_TRUE(all_near(gradients.kernel, differences(kernel, loss), kDifference));
  EXPECT_TRUE(all_near(gradients.bias, differences(bias, loss), kDifference));
}

TEST(ReferenceGradientsTest, LeakyRelu) {
  Random random(5);
  Batch x = random.batch(2, {3, 3, 2});
  const Batch dy = random.batch(2, x.shape);
  const auto loss = [&] { return weighted_sum(leaky_relu(x), dy); };
  EXPECT_TRUE(
      all_near(leaky_relu_backward(x, dy).values, differences(x.values, loss), kDifference));

  Batch zero(1, {1, 1, 2});
  zero.values = {0.0, -0.0};
  Batch one(1, {1, 1, 2});
  one.values = {1, 1};
  EXPECT_EQ(leaky_relu_backward(zero, one).values, Values(2, reference::kSlope));
}

TEST(ReferenceGradientsTest, Sigmoid) {
  Random random(6);
  Batch x = random.batch(2, {3, 3, 2});
  const Batch dy = random.batch(2, x.shape);
  const auto loss = [&] { return weighted_sum(sigmoid(x), dy); };
  EXPECT_TRUE(
      all_near(sigmoid_backward(sigmoid(x), dy).values, differences(x.values, loss), kDifference));
}

TEST(ReferenceGradientsTest, BatchNormalisationInTrainingMode) {
  Random random(7);
  Batch x = random.batch(3, {4, 5, 3});
  Values gamma = random.values(3);
  Values beta = random.values(3);
  const Batch dy = random.batch(3, x.shape);
  const auto loss = [&] { return weighted_sum(batch_norm(x, moments(x), gamma, beta), dy); };
  const auto gradients = batch_norm_backward(x, gamma, dy);
  EXPECT_TRUE(all_near(gradients.x.values, differences(x.values, loss), kDifference));
  EXPECT_TRUE(all_near(gradients.gamma, differences(gamma, loss), kDifference));
  EXPECT_TRUE(all_near(gradients.beta, differences(beta, loss), kDifference));
}

TEST(ReferenceGradientsTest, MeanSquaredError) {
  Random random(8);
  const Batch x = random.batch(3, {2, 4, 3});
  Batch reconstruction = random.batch(3, x.shape);
  const auto loss = [&] {
    const Values errors = mean_squared_errors(x, reconstruction);
    return (errors[0] + errors[1] + errors[2]) / 3;
  };
  EXPECT_TRUE(all_near(mean_squared_error_backward(x, reconstruction).values,
                       differences(reconstruction.values, loss), kDifference));
}

TEST(ReferenceGradientsTest, WholeNetwork) {
  const Architecture architecture = conv_autoencoder(8, 4, 2, {3, 5}, 4);
  reference::Network network(architecture, initial_weights(architecture, /*seed=*/9));
  const Batch images = widen(random_images<float>(architecture.image(), 3, /*seed=*/9));
  const auto loss = [&] { return network.run(images, reference::Mode::training).loss; };
  const reference::Parameters gradients =
      network.gradients(network.run(images, reference::Mode::training));
  size_t trainable = 0;
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    if (!spec.trainable) continue;
    ++trainable;
    EXPECT_TRUE(all_near(gradients.at(spec.name),
                         differences(network.parameters().at(spec.name), loss), kDifference))
        << spec.name;
  }
  EXPECT_EQ(gradients.size(), trainable);
}

}  // namespace
}  // namespace oddity::test
