// Scores that are computed beside their caller.
#include "detect/background_scorer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "engine/engine_test.h"

namespace oddity::test {
namespace {

const Architecture kTiny = conv_autoencoder(4, 6, 1, {3}, 2);

template <typename Pixel>
ImageBatch batch_of(const TestImages<Pixel>& images, size_t first, size_t count) {
  const ImageView view = images.view();
  ImageBatch batch;
  batch.type = view.type;
  batch.images = count;
  batch.pixels.assign(view.image(first), view.image(first) + count * view.image_bytes());
  return batch;
}

class BackgroundScorerTest : public testing::Test {
 protected:
  std::vector<float> expected(const ImageView& images) {
    return scores(*network, *engine->upload(images));
  }

  std::unique_ptr<Engine> engine = make_engine("cpu", {.threads = 2});
  std::unique_ptr<Network> network = engine->network(kTiny, initial_weights(kTiny, 41));
};

TEST_F(BackgroundScorerTest, ScoresComeInTheOrderOfTheImages) {
  // Both memories several times, the last one not full; batches that do not end with them.
  const size_t n = 4 * kScoreChunk + 100;
  const auto images = random_images<uint8_t>(kTiny.image(), n, /*seed=*/42);
  BackgroundScorer background(*engine, *network, {});
  for (size_t first = 0; first < n; first += 999) {
    background.add(batch_of(images, first, std::min<size_t>(999, n - first)));
  }
  EXPECT_LE(background.scores().size(), n - 100);
  background.start();
  background.wait();
  EXPECT_EQ(background.scores(), expected(images.view()));
  EXPECT_GT(background.seconds(), 0);
}

TEST_F(BackgroundScorerTest, WiderImagesAreTakenAmongOthers) {
  const auto narrow = random_images<uint8_t>(kTiny.image(), 5, /*seed=*/43);
  const auto wide = random_images<uint16_t>(kTiny.image(), 7, /*seed=*/44);
  BackgroundScorer background(*engine, *network, {});
  background.add(batch_of(narrow, 0, 5));
  background.add(batch_of(wide, 0, 7));
  background.add(batch_of(narrow, 0, 5));
  background.start();
  background.wait();
  std::vector<float> all = expected(narrow.view());
  const std::vector<float> between = expected(wide.view());
  const std::vector<float> first = all;
  all.insert(all.end(), between.begin(), between.end());
  all.insert(all.end(), first.begin(), first.end());
  EXPECT_EQ(background.scores(), all);
}

TEST_F(BackgroundScorerTest, WhatFailsReachesWhoeverWaits) {
  const auto images = random_images<uint8_t>(kTiny.image(), 3, /*seed=*/45);
  const auto other = make_engine("cpu", {.threads = 1})->network(kTiny, network->weights());
  // No score has a rank of which there are fewer.
  BackgroundScorer background(*engine, *other, ExactScores::from_rank(3));
  background.add(batch_of(images, 0, 3));
  background.start();
  EXPECT_THROW(background.wait(), Error);
  EXPECT_TRUE(background.scores().empty());
}

}  // namespace
}  // namespace oddity::test
