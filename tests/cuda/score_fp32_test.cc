// The fused scorer with networks as they are trained: what is folded, packed and computed together
// against Keras' goldens and the reference.
#include "score_fp32.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "emulator/emulator.h"
#include "engine/cuda/score_fp32_weights.h"
#include "engine/engine_test.h"
#include "kernels/device_array.h"
#include "support/mnist.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using kernels::DeviceArray;

std::vector<float> score(const Weights& weights, const TestImages<uint8_t>& images) {
  const cuda::ScoreFp32Weights packed(cuda::fold(mnist_architecture(), weights));
  const DeviceArray<float> memory(packed.values());
  const DeviceArray<uint8_t> pixels(images.pixels);
  DeviceArray<float> scores(images.size());
  kernels::score_fp32(nullptr, packed.at(memory.data()), pixels.data(), nullptr, 0,
                      static_cast<int64_t>(images.size()), scores.data());
  return scores.download();
}

class ScoreFp32 : public testing::Test {
 protected:
  void SetUp() override { emulator::reset(); }
  void TearDown() override { emulator::reset(); }
};
using ScoreFp32Small = ScoreFp32;  // also under the checker

TEST_F(ScoreFp32, ScoresOfTheTrainedModel) {
  const std::vector<float> actual =
      score(golden_weights(mnist_architecture(), "trained/weights"), mnist_anomaly_images());
  const auto expected = read_npy_file<double>(golden("trained/scores_f64.npy")).values;
  ASSERT_EQ(actual.size(), 6809u);
  // As of every engine in float32 (engine_goldens_test.cc); with the emulator's exact expf it is
  // 1.7e-6.
  EXPECT_TRUE(all_near(actual, expected, {.relative = 3e-6}));

  std::vector<float> sorted = actual;
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [file, flagged] : {std::pair{"q0.999", 7u}, std::pair{"q0.99", 69u}}) {
    std::vector<int32_t> outliers;
    for (size_t i = 0; i < actual.size(); ++i) {
      if (actual[i] >= sorted[sorted.size() - flagged]) outliers.push_back(static_cast<int32_t>(i));
    }
    EXPECT_EQ(
        outliers,
        read_npy_file<int32_t>(golden(std::string("trained/outliers_") + file + ".npy")).values);
  }
}

TEST_F(ScoreFp32Small, ScoresOfWeightsThatAreAllDifferent) {
  constexpr uint64_t kSeed = 2026;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const Weights weights = lively_weights(mnist_architecture(), kSeed);
  const auto images = random_images<uint8_t>({28, 28, 1}, 9, kSeed);
  const reference::Network network(mnist_architecture(), weights);
  const auto expected = network.run(widen(images), reference::Mode::inference).scores;
  // Scores of .1, where nothing cancels as it does in MNIST's of .001: 2e-7 was measured.
  EXPECT_TRUE(all_near(score(weights, images), expected, {.relative = 1e-6}));
}

TEST_F(ScoreFp32, TheOrderOfThreadsAndBlocksChangesNothing) {
  constexpr uint64_t kSeed = 2026;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const Weights weights = lively_weights(mnist_architecture(), kSeed);
  const auto images = random_images<uint8_t>({28, 28, 1}, 33, kSeed);
  emulator::settings().order = emulator::Order::kForward;
  const std::vector<float> forward = score(weights, images);
  for (const emulator::Order order : {emulator::Order::kReverse, emulator::Order::kRandom}) {
    SCOPED_TRACE(order == emulator::Order::kReverse ? "reverse" : "random, seed 5");
    emulator::settings().order = order;
    emulator::settings().seed = 5;
    EXPECT_EQ(score(weights, images), forward);
  }
}

}  // namespace
}  // namespace oddity::test
