#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "model/architecture.h"
#include "model/weights.h"

namespace oddity {
namespace {

using testing::HasSubstr;

template <typename F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST(ArchitectureTest, TheReferenceHas178769Weights) {
  const Architecture architecture = conv_autoencoder(28, 28, 1);
  EXPECT_EQ(Weights(architecture).size(), 178769);
  EXPECT_EQ(architecture.encoded(), (ImageShape{7, 7, 64}));
  EXPECT_EQ(layers(architecture).size(), 18u);
  EXPECT_EQ(layers(architecture).back().output, (ImageShape{28, 28, 1}));
}

TEST(ArchitectureTest, TensorsHaveKerasShapes) {
  const Weights weights(conv_autoencoder(24, 32, 3, {8, 16, 24}, 5));
  using Extents = std::vector<int64_t>;
  EXPECT_EQ(weights.at("encoder.conv1.kernel").shape, (Extents{3, 3, 3, 8}));
  EXPECT_EQ(weights.at("encoder.dense1.kernel").shape, (Extents{3 * 4 * 24, 5}));
  EXPECT_EQ(weights.at("decoder.dense1.kernel").shape, (Extents{5, 3 * 4 * 24}));
  EXPECT_EQ(weights.at("decoder.convT1.kernel").shape, (Extents{3, 3, 24, 24}));
  EXPECT_EQ(weights.at("decoder.convT2.kernel").shape, (Extents{3, 3, 16, 24}));
  EXPECT_EQ(weights.at("decoder.convT4.kernel").shape, (Extents{3, 3, 3, 8}));
  EXPECT_EQ(weights.at("decoder.bn3.moving_variance").shape, (Extents{8}));
}

TEST(ArchitectureTest, SizesThatCannotWorkNameTheNearestThatDo) {
  EXPECT_THAT(
      message_of([] { conv_autoencoder(30, 28, 1); }),
      HasSubstr("width 30 does not work with 2 filters: it must be a multiple of 4, such as "
                "28 or 32"));
  EXPECT_THAT(message_of([] { conv_autoencoder(28, 3, 1); }), HasSubstr("such as 4"));
  EXPECT_THAT(message_of([] { conv_autoencoder(28, 1, 1); }), HasSubstr("height 1"));
  EXPECT_THROW(conv_autoencoder(0, 28, 1), ArgumentError);
  EXPECT_THROW(conv_autoencoder(28, 28, -1), ArgumentError);
  EXPECT_THROW(conv_autoencoder(28, 28, 1, {}), ArgumentError);
  EXPECT_THROW(conv_autoencoder(28, 28, 1, {32, 0}), ArgumentError);
  EXPECT_THROW(conv_autoencoder(28, 28, 1, {32, 64}, 0), ArgumentError);
  EXPECT_THROW(conv_autoencoder(65536, 65536, 1, {65536}, 65536), ArgumentError);
}

TEST(InitialWeightsTest, AreGlorotUniform) {
  const Weights weights = initial_weights(conv_autoencoder(28, 28, 1), 42);
  const Tensor& kernel = weights.at("decoder.convT1.kernel");
  const double limit = std::sqrt(6.0 / (9 * (64 + 64)));
  double sum = 0, squares = 0;
  for (const float value : kernel.values) {
    ASSERT_LE(std::abs(static_cast<double>(value)),
              limit * (1 + 1e-6));  // limit rounded to float32
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const auto n = static_cast<double>(kernel.values.size());
  const double deviation = limit / std::sqrt(3.0);  // of one uniform in ±limit
  EXPECT_NEAR(sum / n, 0, 5 * deviation / std::sqrt(n));
  // The variance of x² is 4/45 limit⁴; five standard deviations of the mean of n.
  EXPECT_NEAR(squares / n, deviation * deviation, 5 * limit * limit * std::sqrt(4.0 / 45 / n));
  for (const float value : weights.at("encoder.bn1.gamma").values) EXPECT_EQ(value, 1.0f);
  for (const float value : weights.at("encoder.conv1.bias").values) EXPECT_EQ(value, 0.0f);
}

TEST(InitialWeightsTest, DependOnTheSeedAlone) {
  const Architecture architecture = conv_autoencoder(8, 8, 2, {4}, 3);
  EXPECT_EQ(initial_weights(architecture, 42), initial_weights(architecture, 42));
  EXPECT_NE(initial_weights(architecture, 42), initial_weights(architecture, 43));
}

TEST(CheckWeightsTest, NamesTheTensorThatDoesNotFit) {
  const Architecture architecture = conv_autoencoder(8, 8, 2, {4}, 3);
  Weights weights = initial_weights(architecture, 42);
  EXPECT_NO_THROW(check_weights(weights, architecture));
  EXPECT_THAT(message_of([&] { check_weights(weights, conv_autoencoder(8, 8, 1, {4}, 3)); }),
              HasSubstr("encoder.conv1.kernel [3,3,1,4]"));
  EXPECT_THAT(message_of([&] {
                check_weights(weights, conv_autoencoder(8, 8, 2, {4, 4}, 3));
              }),
              HasSubstr("weight tensors"));
  weights.at("decoder.dense1.kernel").values[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(message_of([&] { check_weights(weights, architecture); }),
              HasSubstr("decoder.dense1.kernel holds nan at position 5"));
}

}  // namespace
}  // namespace oddity
