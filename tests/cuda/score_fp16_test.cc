// The fp16 scorer on the emulator, against Keras' scores of the trained network.
#include "score_fp16.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

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
    for (int i = 0; i < 2; ++i) {
      kernels::score_fp16(
          nullptr, plan, blocks, {images_.data(), positions, static_cast<int64_t>(first)},
          static_cast<int64_t>(count), weights_.at(on_device_.data()), scores.data());
    }
    return scores.download();
  }
  size_t size() const { return mnist_.size(); }

 private:
  ScoreFp16Weights weights_ = ScoreFp16Weights::pack(golden_network()).value();
  DeviceArray<uint32_t> on_device_{weights_.words()};
  test::TestImages<uint8_t> mnist_;
  DeviceArray<uint8_t> images_;
};

// fp16 keeps 11 bits: 2.4e-4 a rounding, thousands of which, being random, leave a few times that
// of the smallest errors. The limit is what the engine promises of the precision.
constexpr test::Tolerance kTolerance{.relative = 3e-3};

TEST(ScoreFp16Test, ScoresOfTheTrainedModelAndWhichAreOutliers) {
  const ScoreFp16 scorer;
  const std::vector<float> actual = scorer.score(ScorePlan::medium, 3, 0, scorer.size());
  const std::vector<double> expected = golden_scores();
  ASSERT_EQ(actual.size(), 6809u);
  EXPECT_TRUE(test::all_near(actual, expected, kTolerance));

  std::vector<double> errors;
  for (size_t i = 0; i < actual.size(); ++i) {
    errors.push_back(std::fabs(static_cast<double>(actual[i]) / expected[i] - 1));
  }
  std::sort(errors.begin(), errors.end());
  std::printf("relative errors of scores: median %.1e, p99 %.1e, largest %.1e\n",
              errors[errors.size() / 2], errors[errors.size() * 99 / 100], errors.back());

  for (const size_t flagged : {7u, 69u}) {
    const auto highest = [&](const auto& scores) {
      std::vector<size_t> order(scores.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::nth_element(order.begin(), order.begin() + static_cast<ptrdiff_t>(flagged), order.end(),
                       [&](size_t a, size_t b) { return scores[a] > scores[b]; });
      order.resize(flagged);
      std::sort(order.begin(), order.end());
      return order;
    };
    EXPECT_EQ(highest(actual), highest(expected));
  }
}

TEST(ScoreFp16Test, SmallAnImageDependsOnNothingElse) {
  const ScoreFp16 scorer;
  const std::vector<float> all = scorer.score(ScorePlan::large, 2, 100, 35);
  for (const ScorePlan plan : kernels::kScorePlans) {
    SCOPED_TRACE(static_cast<int>(plan));
    for (const size_t count : {1u, 7u, 8u, 9u, 33u}) {
      const std::vector<float> some = scorer.score(plan, 4, 101, count);
      EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin() + 1)) << count << " images";
    }
    const std::vector<uint32_t> numbers = {0, 134, 100, 100, 117};
    const DeviceArray<uint32_t> positions(numbers);
    const std::vector<float> chosen = scorer.score(plan, 1, 1, 4, positions.data());
    EXPECT_EQ(chosen, (std::vector{all[34], all[0], all[0], all[17]}));
  }
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
