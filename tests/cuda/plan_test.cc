// Where tensors lie in the flat buffers, and what a network asks its planner for.
#include "engine/cuda/plan.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/engine_test.h"

namespace oddity::test {
namespace {

using cuda::OperationKind;
using cuda::Plan;

TEST(CudaPlan, WeightsComeBackAsTheyWent) {
  for (const Architecture& architecture :
       {conv_autoencoder(28, 28, 1), conv_autoencoder(12, 20, 3, {3, 5}, 7),
        conv_autoencoder(2, 2, 1, {1}, 1)}) {
    const Plan plan(architecture);
    const Weights weights = lively_weights(architecture, 1);
    std::vector<float> parameters(static_cast<size_t>(plan.parameters));
    std::vector<float> moving(static_cast<size_t>(plan.moving));
    cuda::pack(plan, weights, parameters, moving);
    Weights back(architecture);
    cuda::unpack(plan, parameters, moving, back);
    EXPECT_EQ(back, weights);
  }
}

TEST(CudaPlan, ConvolutionKernelsAreStoredFilterByFilter) {
  const Architecture architecture = conv_autoencoder(8, 8, 2, {3, 4}, 5);
  const Plan plan(architecture);
  const Weights weights = lively_weights(architecture, 2);
  std::vector<float> parameters(static_cast<size_t>(plan.parameters));
  std::vector<float> moving(static_cast<size_t>(plan.moving));
  cuda::pack(plan, weights, parameters, moving);

  // Keras: [kh, kw, in, out] and, transposed, [kh, kw, out, in]. Here [K, kh, kw, C].
  const cuda::Stage& second = plan.stages[1];
  ASSERT_EQ(second.name, "encoder.conv2");
  const std::vector<float>& keras = weights.at("encoder.conv2.kernel").values;
  const cuda::Stage& back = plan.stages[2];
  ASSERT_EQ(back.name, "decoder.convT1");
  const std::vector<float>& transposed = weights.at("decoder.convT1.kernel").values;
  for (int64_t tap = 0; tap < 9; ++tap) {
    for (int64_t k = 0; k < 4; ++k) {
      for (int64_t c = 0; c < 3; ++c) {
        EXPECT_EQ(parameters[second.kernel + (k * 9 + tap) * 3 + c], keras[(tap * 3 + c) * 4 + k]);
      }
      for (int64_t c = 0; c < 4; ++c) {
        EXPECT_EQ(parameters[back.kernel + (k * 9 + tap) * 4 + c],
                  transposed[(tap * 4 + c) * 4 + k]);
      }
    }
  }
}

TEST(CudaPlan, TensorsBeginWhereTheWidestLoadsMay) {
  const Plan plan(conv_autoencoder(12, 20, 3, {3, 5}, 7));
  std::set<int64_t> offsets;
  for (const cuda::Placement& placement : plan.placements) {
    EXPECT_EQ(placement.offset % 64, 0) << placement.name;
    if (!placement.trainable) continue;
    EXPECT_TRUE(offsets.insert(placement.offset).second) << placement.name;
  }
}

TEST(CudaPlan, OperandsFitEachOther) {
  const Plan plan(conv_autoencoder(28, 28, 1));
  const cuda::Stage& second = plan.stages[1];
  const auto forward = cuda::operands(plan.forward(second, 32));
  ASSERT_EQ(forward.size(), 4u);
  EXPECT_EQ(forward[0].size, 32 * 14 * 14 * 32);
  EXPECT_EQ(forward[1].size, 64 * 9 * 32);
  EXPECT_EQ(forward[2].size, 64);
  EXPECT_EQ(forward[3].size, 32 * 7 * 7 * 64);
  const auto backward = cuda::operands(plan.data_gradient(second, 32));
  ASSERT_EQ(backward.size(), 3u);
  EXPECT_EQ(backward[0].size, forward[3].size);
  EXPECT_EQ(backward[2].size, forward[0].size);
  EXPECT_EQ(cuda::to_string(plan.forward(second, 32)),
            "conv2d 32x14x14x32 -> 32x7x7x64, bias, leaky_relu");
}

TEST(CudaPlan, EveryOperationOfAStepIsListedOnce) {
  const Plan plan(conv_autoencoder(28, 28, 1));
  const auto training = cuda::operation_specs(plan, 32, cuda::Mode::training);
  const auto count = [&](OperationKind kind) {
    return std::count_if(training.begin(), training.end(),
                         [&](const cuda::OperationSpec& spec) { return spec.kind == kind; });
  };
  // Two convolutions and three transposed ones forward; data gradients of all but the first.
  EXPECT_EQ(count(OperationKind::conv2d) + count(OperationKind::conv2d_transpose), 5 + 4);
  EXPECT_EQ(count(OperationKind::conv2d_weight_gradient), 5);
  EXPECT_EQ(count(OperationKind::dense), 2);
  EXPECT_EQ(count(OperationKind::batch_norm_training), 4);
  EXPECT_EQ(count(OperationKind::batch_norm_backward), 4);
  EXPECT_EQ(cuda::operation_specs(plan, 32, cuda::Mode::inference).size(), 7u);
}

}  // namespace
}  // namespace oddity::test
