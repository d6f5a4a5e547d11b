// When the engine scores in one kernel, and what it promises of the scores.
#include "engine/cuda/fused_scorer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "detect/quantile.h"
#include "engine/cuda/cuda_engine.h"
#include "support/golden_cases.h"
#include "support/mnist.h"
#include "support/near.h"

namespace oddity::cuda {
namespace {

using kernels::Pixels;
using kernels::ScorePlan;

TEST(FusedScorerRuleTest, ItTakesBytesOfOneArchitecture) {
  const Architecture fits = test::mnist_architecture();
  for (const Precision precision : {Precision::automatic, Precision::fp32, Precision::fp16}) {
    EXPECT_TRUE(takes_fused_scorer(fits, Pixels::u8, precision));
    EXPECT_FALSE(takes_fused_scorer(fits, Pixels::u16, precision));
    EXPECT_FALSE(takes_fused_scorer(fits, Pixels::f32, precision));
    EXPECT_FALSE(takes_fused_scorer(conv_autoencoder(32, 28, 1, {32, 64}, 16), Pixels::u8,
                                    precision));  // folded_network_test.cc has more of them
  }
  EXPECT_FALSE(takes_fused_scorer(fits, Pixels::u8, Precision::tf32));
}

// What compute capabilities 7.5; 8.6, 8.9 and 12.0; 8.0; 9.0 and 10.0 give a block at most.
TEST(FusedScorerRuleTest, SharedMemoryDecidesThePlan) {
  EXPECT_EQ(fp16_plan(48 << 10), std::nullopt);
  EXPECT_EQ(fp16_plan(64 << 10), ScorePlan::small);
  EXPECT_EQ(fp16_plan(99 << 10), ScorePlan::medium);
  EXPECT_EQ(fp16_plan(163 << 10), ScorePlan::large);
  EXPECT_EQ(fp16_plan(227 << 10), ScorePlan::large);
}

/// An engine that scores in a precision, with a network and images.
class Scoring {
 public:
  explicit Scoring(Precision precision, const Weights& weights = trained(),
                   const test::TestImages<uint8_t>& images = test::mnist_anomaly_images())
      : engine_(make_cuda_engine({.scores = precision})),
        network_(engine_->network(test::mnist_architecture(), weights)),
        images_(engine_->upload(images.view())) {}

  static Weights trained() {
    return test::golden_weights(test::mnist_architecture(), "trained/weights");
  }
  Network& network() { return *network_; }
  const Images& images() const { return *images_; }

  std::vector<float> score(const Range& range, const ExactScores& exact = {}) {
    NoProgress progress;
    std::vector<float> scores(range.size());
    network_->score(*images_, range, progress, exact)->download(scores);
    return scores;
  }

 private:
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Images> images_;
};

/// Those at or above a score have the bits of `exact`; the others are near it and below.
void expect_exact_from(double threshold, const std::vector<float>& scores,
                       const std::vector<float>& exact) {
  size_t off = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    const bool wanted = static_cast<double>(exact[i]) >= threshold;
    EXPECT_EQ(static_cast<double>(scores[i]) >= threshold, wanted) << "image " << i;
    if (wanted) {
      EXPECT_EQ(scores[i], exact[i]) << "image " << i;
    }
    off += static_cast<size_t>(scores[i] != exact[i]);
  }
  EXPECT_TRUE(test::all_near(scores, exact, {.relative = 3e-3}));
  EXPECT_GT(off, scores.size() / 2);  // they were not all computed in fp32
}

void expect_auto_flags_the_images_of_fp32(size_t n) {
  const std::vector<float> exact = Scoring(Precision::fp32).score({0, n});
  const QuantilePosition position = quantile_position(n, 0.99);
  std::vector<float> sorted = exact;
  std::sort(sorted.begin(), sorted.end());
  const std::vector<float> scores =
      Scoring(Precision::automatic).score({0, n}, ExactScores::from_rank(position.lower));
  expect_exact_from(static_cast<double>(sorted[position.lower]), scores, exact);
  // The same threshold to the last bit, and so at .999, whose scores lie above.
  for (const double q : {0.99, 0.999}) EXPECT_EQ(quantile(scores, q), quantile(exact, q)) << q;
}

TEST(FusedScorerTest, AutoFlagsTheImagesOfFp32) { expect_auto_flags_the_images_of_fp32(400); }

TEST(FusedScorerFull, AutoFlagsTheImagesOfFp32) { expect_auto_flags_the_images_of_fp32(6809); }

TEST(FusedScorerTest, SmallAutoScoresExactlyWhatIsAskedFor) {
  const Range range{40, 57};
  const std::vector<float> exact = Scoring(Precision::fp32).score(range);
  const std::vector<float> fp16 = Scoring(Precision::fp16).score(range);
  Scoring scoring(Precision::automatic);
  EXPECT_EQ(scoring.score(range), exact);

  std::vector<float> sorted = exact;
  std::sort(sorted.begin(), sorted.end());
  const auto eleventh = static_cast<double>(sorted[11]);
  expect_exact_from(eleventh, scoring.score(range, ExactScores::from_threshold(eleventh)), exact);
  expect_exact_from(eleventh, scoring.score(range, ExactScores::from_rank(11)), exact);
  EXPECT_EQ(scoring.score(range, ExactScores::from_threshold(HUGE_VAL)), fp16);
  EXPECT_EQ(scoring.score(range, ExactScores::from_threshold(0)), exact);
}

/// Trained weights whose latent numbers are so large that their upper halves overflow in fp16,
/// while the network's output stays what it was.
Weights with_large_latents() {
  Weights weights = Scoring::trained();
  constexpr float kFactor = 8192;
  for (const char* name : {"encoder.dense1.kernel", "encoder.dense1.bias"}) {
    for (float& value : weights.at(name).values) value *= kFactor;
  }
  for (float& value : weights.at("decoder.dense1.kernel").values) value /= kFactor;
  return weights;
}

TEST(FusedScorerTest, SmallWhatOverflowsInFp16IsScoredInFp32) {
  const Range range{0, 9};
  const std::vector<float> exact = Scoring(Precision::fp32, with_large_latents()).score(range);
  EXPECT_TRUE(std::all_of(exact.begin(), exact.end(), [](float s) { return std::isfinite(s); }));
  const std::vector<float> fp16 = Scoring(Precision::fp16, with_large_latents()).score(range);
  EXPECT_TRUE(std::any_of(fp16.begin(), fp16.end(), [](float s) { return std::isnan(s); }));
  EXPECT_EQ(Scoring(Precision::automatic, with_large_latents())
                .score(range, ExactScores::from_threshold(HUGE_VAL)),
            exact);
}

TEST(FusedScorerTest, SmallWeightsThatDoNotFitFp16MeanFp32) {
  Weights weights = Scoring::trained();
  weights.at("encoder.conv2.kernel").values[7] = 1e5f;
  const Range range{0, 3};
  EXPECT_EQ(Scoring(Precision::fp16, weights).score(range),
            Scoring(Precision::fp32, weights).score(range));
}

TEST(FusedScorerTest, SmallWhatOverflowsInFp32HasNoScore) {
  Weights weights = Scoring::trained();
  for (float& value : weights.at("encoder.dense1.kernel").values) value = 3e38f;
  const std::vector<float> scores =
      Scoring(Precision::automatic, weights).score({0, 2}, ExactScores::from_rank(1));
  EXPECT_TRUE(std::all_of(scores.begin(), scores.end(), [](float s) { return std::isnan(s); }));
}

TEST(FusedScorerTest, SmallItScoresWithTheWeightsThatTrainingLeaves) {
  Scoring scoring(Precision::fp32);
  const Range range{0, 3};
  const std::vector<float> before = scoring.score(range);
  const std::vector<uint32_t> order = {0, 1};
  NoProgress progress;
  scoring.network().train_epoch(scoring.images(), order, 2, std::vector{1e-2}, progress);
  const std::vector<float> after = scoring.score(range);
  EXPECT_NE(after, before);
  EXPECT_EQ(after, Scoring(Precision::fp32, scoring.network().weights()).score(range));
}

TEST(FusedScorerTest, SmallARankMustExist) {
  Scoring scoring(Precision::automatic);
  EXPECT_THROW(scoring.score({0, 2}, ExactScores::from_rank(2)), Error);
}

}  // namespace
}  // namespace oddity::cuda
