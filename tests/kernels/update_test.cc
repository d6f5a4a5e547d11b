// The end of a training step: gradients from what its kernels left, Adam, moving moments, the loss.
#include "update.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "kernels/stage_case.h"

namespace oddity::kernels {
namespace {

constexpr int64_t kFloats = 4096;  // of parameters

/// All that an update moves, at the beginning.
class Targets {
 public:
  UpdateTargets targets() {
    return {.weights = weights.data(),
            .first_moment = first.data(),
            .second_moment = second.data(),
            .moving = moving.data(),
            .state = state.data(),
            .progress = {losses.data(), steps_done.data()}};
  }
  void run(const std::vector<Update>& updates, int64_t size = 4) {
    const std::vector<UpdatePart> cut = cut_updates(updates);
    const DeviceArray<UpdatePart> parts(cut);
    const UpdateStep of_step{step.data(), rates.data(), squares.data(),
                             static_cast<int64_t>(squares.size()), size};
    update(nullptr, parts.data(), std::ssize(cut), of_step, targets());
    cudaDeviceSynchronize();
  }
  /// The gradient that moved weight i of a first step, from its first moment.
  std::vector<float> gradients(int64_t offset, int64_t count) const {
    std::vector<float> result;
    const auto moments = first.download();
    for (int64_t i = offset; i < offset + count; ++i) {
      result.push_back(moments[static_cast<size_t>(i)] / 0.1f);
    }
    return result;
  }

  const std::vector<float> start = random_values(kFloats, 50);
  DeviceArray<float> weights{start};
  DeviceArray<float> first{std::vector<float>(kFloats)}, second{std::vector<float>(kFloats)};
  DeviceArray<float> moving{random_values(256, 51)};
  DeviceArray<EpochState> state{std::vector<EpochState>{{3}}};
  DeviceArray<double> losses{std::vector<double>(5, -1.0)};
  DeviceArray<uint64_t> steps_done{std::vector<uint64_t>{3}};
  DeviceArray<float> rates{std::vector<float>{9, 9, 9, 1e-3f}};
  DeviceArray<float> squares{random_values(100, 52)};
  DeviceArray<int64_t> step{std::vector<int64_t>{3}};
};

TEST(Update, AddsSlicesAndFollowsAdam) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const auto& [count, slices] :
       {std::pair{int64_t{1}, 1}, {33, 2}, {1025, 1}, {2500, 8}, {31, 9}, {257, 64}, {7, 500}}) {
    SCOPED_TRACE(std::to_string(count) + " numbers in slices: " + std::to_string(slices));
    Targets t;
    const int64_t stride = count + 3;
    const auto values = random_values(stride * slices, 60);
    const DeviceArray<float> source(values);
    const int64_t offset = 64;
    t.run({{UpdateKind::weights, offset, count, source.data(), stride, slices}});

    std::vector<float> sums(kFloats);
    reference::Values exact(static_cast<size_t>(count));
    for (int slice = 0; slice < slices; ++slice) {
      for (int64_t i = 0; i < count; ++i) {
        const float value = values[static_cast<size_t>(slice * stride + i)];
        exact[static_cast<size_t>(i)] += static_cast<double>(value);
        sums[static_cast<size_t>(offset + i)] += value;
      }
    }
    EXPECT_TRUE(test::all_near(t.gradients(offset, count), exact,
                               {.absolute = sum_tolerance(slices), .relative = 1e-6}));
    if (slices > 8) continue;
    // In order: the bits of adam on the sums. What has no gradient stays.
    DeviceArray<float> weights(t.start), first{std::vector<float>(kFloats)},
        second{std::vector<float>(kFloats)};
    const DeviceArray<float> gradients(sums);
    const DeviceArray<EpochState> at(std::vector<EpochState>{{3}});
    adam(nullptr, kFloats, gradients.data(), t.rates.data(), at.data(), weights.data(),
         first.data(), second.data());
    EXPECT_EQ(t.weights.download(), weights.download());
    EXPECT_EQ(t.first.download(), first.download());
    EXPECT_EQ(t.second.download(), second.download());
  }
}

TEST(Update, GradientsOfANormalisedStageFromItsSums) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const ImageShape& shape :
       {ImageShape{1, 1, 3}, ImageShape{5, 7, 32}, ImageShape{20, 20, 33}}) {
    const int64_t channels = shape.channels;
    TestMap map(3, shape, 0);
    TestGradient gradient(map, 20);
    const MapGradient of_map = gradient.gradient();
    const int64_t stride = kGradientSums * channels;
    Update bias{UpdateKind::bias, 0, channels, of_map.sums.parts, stride, of_map.sums.blocks};
    bias.statistics = of_map.statistics;
    bias.rows = of_map.rows;
    Targets t;
    t.run({bias,
           {UpdateKind::weights, 128, channels, of_map.sums.parts + kDy * channels, stride,
            of_map.sums.blocks},
           {UpdateKind::weights, 256, channels, of_map.sums.parts + kDyZ * channels, stride,
            of_map.sums.blocks}});
    // The gradient of a bias is a difference of sums of up to `rows` numbers.
    const test::Tolerance tolerance{.absolute = 4e-7 * static_cast<double>(map.rows()),
                                    .relative = 1e-6};
    EXPECT_TRUE(test::all_near(t.gradients(0, channels), gradient.expected.bias, tolerance));
    EXPECT_TRUE(test::all_near(t.gradients(128, channels), gradient.expected.beta, tolerance));
    EXPECT_TRUE(test::all_near(t.gradients(256, channels), gradient.expected.gamma, tolerance));
  }
}

TEST(Update, MovesTheMovingMoments) {
  Targets t;
  const auto before = t.moving.download();
  const auto batch_moments = random_values(70, 61);
  const DeviceArray<float> source(batch_moments);
  t.run({{UpdateKind::moving, 64, 70, source.data()}});
  auto expected = doubles(before);
  for (size_t i = 0; i < batch_moments.size(); ++i) {
    expected[64 + i] = 0.99 * expected[64 + i] + 0.01 * static_cast<double>(batch_moments[i]);
  }
  EXPECT_TRUE(test::all_near(t.moving.download(), expected, {.absolute = 1e-7}));
  EXPECT_EQ(t.weights.download(), t.start);
}

TEST(Update, EndsTheStep) {
  Targets t;
  t.run({}, /*size=*/25);
  double sum = 0;
  for (const float square : t.squares.download()) sum += static_cast<double>(square);
  const auto losses = t.losses.download();
  EXPECT_NEAR(losses[3], sum / 25, 1e-12);
  EXPECT_EQ(losses[4], -1.0);
  EXPECT_EQ(t.steps_done.download().front(), 4u);
  EXPECT_EQ(t.state.download().front().step, 4);
}

}  // namespace
}  // namespace oddity::kernels
