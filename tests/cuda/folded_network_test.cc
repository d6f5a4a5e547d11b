// What is folded for the fused scorers against the layers that it stands for, in float64.
#include "engine/cuda/folded_network.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/engine_test.h"

namespace oddity::test {
namespace {

using reference::Batch;
using reference::Values;

constexpr uint64_t kSeed = 2026;
// Both sides are sums in float64 of at most 3136 products, in another order: 3136 · 2⁻⁵³ = 3.5e-13
// of the largest. But batch normalisation's epsilon is float32's here and 1e-3 there, which differ
// by 4.7e-8 of themselves, so at most half of that in a scale.
constexpr Tolerance kLinear = {.of_largest = 1e-12};
constexpr Tolerance kNormalized = {.of_largest = 5e-8};

class FoldedNetworkTest : public testing::Test {
 protected:
  FoldedNetworkTest()
      : architecture(mnist_architecture()),
        weights(lively_weights(architecture, kSeed)),
        folded(cuda::fold(architecture, weights)),
        trace_(__FILE__, __LINE__, "seed " + std::to_string(kSeed)) {}

  Values values(const std::string& tensor) const {
    const std::vector<float>& floats = weights.at(tensor).values;
    return {floats.begin(), floats.end()};
  }
  Batch normalize(const Batch& x, const std::string& layer) const {
    return reference::batch_norm(
        x, {values(layer + ".moving_mean"), values(layer + ".moving_variance")},
        values(layer + ".gamma"), values(layer + ".beta"));
  }
  /// Three images of numbers in [−1, 1).
  static Batch random_batch(const ImageShape& shape) {
    Philox random(kSeed, /*stream=*/1);
    Batch batch(3, shape);
    for (double& value : batch.values) value = 2 * static_cast<double>(random.uniform()) - 1;
    return batch;
  }

  const Architecture architecture;
  const Weights weights;
  const cuda::FoldedNetwork folded;

 private:
  const testing::ScopedTrace trace_;
};

TEST(FusedScorer, FitsOneArchitecture) {
  EXPECT_TRUE(cuda::fits_fused_scorer(conv_autoencoder(28, 28, 1)));
  for (const Architecture& other :
       {conv_autoencoder(32, 28, 1), conv_autoencoder(28, 32, 1), conv_autoencoder(28, 28, 3),
        conv_autoencoder(28, 28, 1, {32}), conv_autoencoder(28, 28, 1, {64, 32}),
        conv_autoencoder(28, 28, 1, {32, 64}, 17)}) {
    EXPECT_FALSE(cuda::fits_fused_scorer(other));
    EXPECT_THROW(cuda::fold(other, Weights(other)), Error);
  }
}

TEST_F(FoldedNetworkTest, TheMapIsTheDenseLayerThenTheTransposedConvolution) {
  const Batch latent = random_batch({1, 1, 16});
  const Batch encoded = reference::reshape(
      reference::dense(latent, values("decoder.dense1.kernel"), values("decoder.dense1.bias")),
      {7, 7, 64});
  const Batch expected = reference::conv2d_transpose(encoded, values("decoder.convT1.kernel"),
                                                     values("decoder.convT1.bias"), 2);
  Values actual;
  for (int64_t n = 0; n < latent.count; ++n) {
    for (size_t row = 0; row < folded.map_bias.size(); ++row) {
      double sum = folded.map_bias[row];
      for (size_t l = 0; l < 16; ++l) sum += folded.map[row * 16 + l] * latent.pixel(n, 0, 0)[l];
      actual.push_back(sum);
    }
  }
  EXPECT_TRUE(all_near(actual, expected.values, kLinear));
}

TEST_F(FoldedNetworkTest, TheLatentLayerIsBatchNormalisationThenTheDenseLayer) {
  const Batch map = random_batch({7, 7, 64});
  const Batch expected =
      reference::dense(reference::reshape(normalize(map, "encoder.bn2"), {1, 1, 3136}),
                       values("encoder.dense1.kernel"), values("encoder.dense1.bias"));
  const Batch actual = reference::dense(reference::reshape(map, {1, 1, 3136}), folded.latent_kernel,
                                        folded.latent_bias);
  EXPECT_TRUE(all_near(actual.values, expected.values, kNormalized));
}

TEST_F(FoldedNetworkTest, NormalisationsAreScalesAndShifts) {
  struct Case {
    const char* layer;
    const std::vector<double>& scale;
    const std::vector<double>& shift;
  };
  for (const auto& [layer, scale, shift] :
       {Case{"encoder.bn1", folded.conv1_scale, folded.conv1_shift},
        Case{"decoder.bn1", folded.map_scale, folded.map_shift},
        Case{"decoder.bn2", folded.transposed2_scale, folded.transposed2_shift}}) {
    SCOPED_TRACE(layer);
    const size_t channels = scale.size();
    const Batch x = random_batch({2, 3, static_cast<int64_t>(channels)});
    Values actual = x.values;
    for (size_t i = 0; i < actual.size(); ++i) {
      actual[i] = actual[i] * scale[i % channels] + shift.at(i % channels);
    }
    EXPECT_TRUE(all_near(actual, normalize(x, layer).values, kNormalized));
  }
}

TEST_F(FoldedNetworkTest, TheSecondTransposedConvolutionHasItsInputsOutside) {
  const Values keras = values("decoder.convT2.kernel");
  ASSERT_EQ(folded.transposed2_kernel.size(), keras.size());
  for (size_t tap = 0; tap < 9; ++tap) {
    for (size_t in = 0; in < 64; ++in) {
      for (size_t out = 0; out < 32; ++out) {
        ASSERT_EQ(folded.transposed2_kernel[(tap * 64 + in) * 32 + out],
                  keras[(tap * 32 + out) * 64 + in]);
      }
    }
  }
}

TEST_F(FoldedNetworkTest, TheOtherTensorsAreAsTheyWere) {
  EXPECT_EQ(folded.conv1_kernel, values("encoder.conv1.kernel"));
  EXPECT_EQ(folded.conv1_bias, values("encoder.conv1.bias"));
  EXPECT_EQ(folded.conv2_kernel, values("encoder.conv2.kernel"));
  EXPECT_EQ(folded.conv2_bias, values("encoder.conv2.bias"));
  EXPECT_EQ(folded.transposed2_bias, values("decoder.convT2.bias"));
  EXPECT_EQ(folded.transposed3_kernel, values("decoder.convT3.kernel"));
  EXPECT_EQ(Values{folded.transposed3_bias}, values("decoder.convT3.bias"));
}

}  // namespace
}  // namespace oddity::test
