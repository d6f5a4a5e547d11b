// Scores by one kernel, on a real GPU: fp16, and auto, which computes again in fp32 what decides.
#include <algorithm>
#include <cmath>

#include "engine/engine_test.h"
#include "support/mnist.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

class FusedScoresTest : public testing::Test {
 protected:
  static std::vector<float> score(Precision precision, const ExactScores& exact = {}) {
    const Architecture architecture = mnist_architecture();
    const auto engine = make_engine("cuda", {.precision = precision});
    const auto network =
        engine->network(architecture, golden_weights(architecture, "trained/weights"));
    const auto images = engine->upload(mnist_anomaly_images().view());
    std::vector<float> scores(images->size());
    NoProgress nobody;
    network->score(*images, {0, images->size()}, nobody, exact)->download(scores);
    return scores;
  }
};

// The emulator's fp16 is off by 2.1e-3 at most; a tensor core rounds otherwise while it adds.
TEST_F(FusedScoresTest, Fp16IsNearTheTruth) {
  const auto expected = read_npy_file<double>(golden("trained/scores_f64.npy")).values;
  EXPECT_TRUE(all_near(score(Precision::fp16), expected, {.relative = 3e-3}));
}

TEST_F(FusedScoresTest, AutoFlagsTheImagesOfFp32) {
  const std::vector<float> exact = score(Precision::fp32);
  std::vector<float> sorted = exact;
  std::sort(sorted.begin(), sorted.end());
  for (const size_t flagged : {7u, 69u}) {
    const size_t rank = exact.size() - flagged;
    const std::vector<float> scores = score(Precision::automatic, ExactScores::from_rank(rank));
    for (size_t i = 0; i < scores.size(); ++i) {
      EXPECT_EQ(scores[i] >= sorted[rank], exact[i] >= sorted[rank]) << "image " << i;
      if (exact[i] >= sorted[rank]) {
        EXPECT_EQ(scores[i], exact[i]) << "image " << i;
      }
    }
  }
}

TEST_F(FusedScoresTest, TwiceTheSameBits) {
  const std::vector<float> first = score(Precision::fp16);
  EXPECT_EQ(score(Precision::fp16), first);
}

}  // namespace
}  // namespace oddity::test
