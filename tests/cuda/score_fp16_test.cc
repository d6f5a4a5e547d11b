// The fp16 scorer on the emulator, against Keras' scores of the trained network.
#include "score_fp16.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "emulator/emulator.h"
#include "engine/cuda/fused_scorer.h"
#include "engine/cuda/score_fp16_weights.h"
#include "kernels/device_array.h"
#include "support/golden_cases.h"
#include "support/mnist.h"
#include "support/near.h"
#include "support/npy_file.h"

namespace oddity::cuda {
namespace {

using kernels::DeviceArray;
using kernels::ScorePlan;

FoldedNetwork golden_network() {
  const Architecture architecture = test::mnist_architecture();
  return fold(architecture, test::golden_weights(architecture, "trained/weights"));
}

std::vector<double> golden_scores() {
  return test::read_npy_file<double>(test::golden("trained/scores_f64.npy")).values;
}

/// The trained network on the device, and images to score with it.
class ScoreFp16 {
 public:
  ScoreFp16() : mnist_(test::mnist_anomaly_images()), images_(mnist_.pixels) {}

  std::vector<float> score(ScorePlan plan, int64_t blocks, size_t first, size_t count,
                           const uint32_t* positions = nullptr) const {
    DeviceArray<float> scores(count);
    kernels::score_fp16(nullptr, plan, blocks, weights_.at(on_device_.data()), images_.data(),
                        positions, static_cast<int64_t>(first), static_cast<int64_t>(count),
                        scores.data());
    return scores.download();
  }

 private:
  ScoreFp16Weights weights_ = ScoreFp16Weights::pack(golden_network()).value();
  DeviceArray<uint32_t> on_device_{weights_.words()};
  test::TestImages<uint8_t> mnist_;
  DeviceArray<uint8_t> images_;
};

// fp16 keeps 11 bits: 2.4e-4 a rounding, thousands of which, being random, leave a few times that
// of the smallest errors. The limit is what the engine promises of the precision.
constexpr test::Tolerance kTolerance{.relative = 3e-3};

/// The n highest of scores, in the order of the set.
template <typename Values>
std::vector<size_t> highest(const Values& scores, size_t n) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::nth_element(order.begin(), order.begin() + static_cast<ptrdiff_t>(n), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  order.resize(n);
  std::sort(order.begin(), order.end());
  return order;
}

void expect_golden_scores(const std::vector<uint32_t>& images) {
  const DeviceArray<uint32_t> positions(images);
  const std::vector<float> actual =
      ScoreFp16().score(ScorePlan::medium, 32, 0, images.size(), positions.data());
  const std::vector<double> all = golden_scores();
  ASSERT_EQ(all.size(), 6809u);
  std::vector<double> expected;
  for (const uint32_t image : images) expected.push_back(all[image]);
  EXPECT_TRUE(test::all_near(actual, expected, kTolerance));

  std::vector<double> errors;
  for (size_t i = 0; i < actual.size(); ++i) {
    errors.push_back(std::fabs(static_cast<double>(actual[i]) / expected[i] - 1));
  }
  std::sort(errors.begin(), errors.end());
  std::printf("relative errors of %zu scores: median %.1e, p99 %.1e, largest %.1e\n", errors.size(),
              errors[errors.size() / 2], errors[errors.size() * 99 / 100], errors.back());
  for (const size_t outliers : {7u, 69u}) {
    EXPECT_EQ(highest(actual, outliers), highest(expected, outliers));
  }
}

TEST(ScoreFp16Test, ScoresOfTheTrainedModelWhereTheyAreHighest) {
  std::vector<uint32_t> images;
  for (const size_t image : highest(golden_scores(), 400)) {
    images.push_back(static_cast<uint32_t>(image));
  }
  expect_golden_scores(images);
}

TEST(ScoreFp16Full, ScoresOfTheTrainedModel) {
  std::vector<uint32_t> images(6809);
  std::iota(images.begin(), images.end(), 0u);
  expect_golden_scores(images);
}

// What the tiles of 16 × 8 × 16 come to: a row of the first convolution is a tile of pixels; a row
// of the second is one of seven outputs, the last without the taps below; the map is 13 tiles of
// inputs, the first without the taps from above.
TEST(ScoreFp16Test, SmallAnImageTakesNoMoreProductsThanItsTiles) {
  constexpr uint64_t kConv1 = 14 * 4;
  constexpr uint64_t kConv2 = (6 * 9 + 6) * 2 * 4;
  constexpr uint64_t kDense1 = 7 * 7 * 4;     // of eight images
  constexpr uint64_t kMap = 14 * 14 * 4 * 2;  // of eight images: upper and lower halves
  constexpr uint64_t kTransposed2 = (12 * 9 + 6) * 4 * 4;
  constexpr uint64_t kTransposed3 = 13 * 4 * 2 * 2;
  const std::vector<uint32_t> images = {0, 1, 2, 3, 4, 5, 6, 7};
  const DeviceArray<uint32_t> positions(images);
  const ScoreFp16 scorer;
  const uint64_t before = emulator::counters().products;
  scorer.score(ScorePlan::large, 1, 0, 8, positions.data());
  const uint64_t products = emulator::counters().products - before;
  EXPECT_EQ(products, 8 * (kConv1 + kConv2 + kTransposed2 + kTransposed3) + kDense1 + kMap);
  EXPECT_EQ(products, static_cast<uint64_t>(kFp16ProductsOfEight));
}

TEST(ScoreFp16WeightsTest, WeightsThatAreNotFiniteInFp16AreRefused) {
  for (const double weight : {65520.0, -1e6, std::nan(""), HUGE_VAL}) {
    FoldedNetwork network = golden_network();
    network.map[4711] = weight;
    EXPECT_FALSE(ScoreFp16Weights::pack(network)) << weight;
  }
  FoldedNetwork network = golden_network();
  network.conv2_kernel[5] = 65519;  // rounds to the largest, 65504
  EXPECT_TRUE(ScoreFp16Weights::pack(network));
}

}  // namespace
}  // namespace oddity::cuda
