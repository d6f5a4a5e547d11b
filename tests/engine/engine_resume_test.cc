// A training that was stopped after any of its epochs, and went on from its checkpoint, gives the
// bits of one that never was.
#include <gmock/gmock.h>

#include <vector>

#include "core/error.h"
#include "engine/engine_test.h"
#include "support/error_text.h"
#include "support/temporary_folder.h"
#include "train/checkpoint.h"

namespace oddity::test {
namespace {

class NoObserver final : public TrainingObserver {
 public:
  void update(size_t, size_t, double) override {}
  void epoch_begins(int64_t, int64_t) override {}
  void epoch_ended(int64_t, const EpochRecord&, double) override {}
};

void expect_equal(const History& a, const History& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].loss, b[i].loss) << i;
    EXPECT_EQ(a[i].validation_loss, b[i].validation_loss) << i;
  }
}

/// Trains a small network on 13 images, 3 of which validate; the last of 3 steps takes 2 images.
class ResumeTest : public EngineTest {
 protected:
  /// Trains on a new device, from the start or from `done`, and gives what each epoch left.
  std::vector<Checkpoint> train_from(const Checkpoint* done) const {
    const auto device = engine();
    const auto images = device->upload(pixels_.view());
    const auto network =
        done != nullptr
            ? device->network(done->architecture, done->weights, done->optimizer)
            : device->network(architecture_, initial_weights(architecture_, options_.seed));
    std::vector<Checkpoint> kept;
    NoObserver nobody;
    const History history = train(
        *network, *images, split_, options_, nobody, done != nullptr ? done->history : History(),
        [&](const Network& now, const History& so_far) {
          kept.push_back({{}, architecture_, now.weights(), now.optimizer(), so_far});
        });
    if (!kept.empty()) expect_equal(history, kept.back().history);
    return kept;
  }

  const Architecture architecture_ = conv_autoencoder(8, 8, 1, {3, 2}, 2);
  const TestImages<uint8_t> pixels_ = random_images<uint8_t>(architecture_.image(), 13, 4);
  const Split split_ = {.train = {12, 0, 7, 3, 9, 1, 5, 4, 10, 2}, .validation = {11, 6, 8}};
  const TrainingOptions options_ = {.epochs = 4, .batch_size = 4, .learning_rate = 0.01, .seed = 9};
};

TEST_P(ResumeTest, AfterAnyEpochTheSameBits) {
  const std::vector<Checkpoint> whole = train_from(nullptr);
  ASSERT_EQ(whole.size(), 4u);
  const TemporaryFolder folder;
  for (size_t k = 0; k < whole.size(); ++k) {
    SCOPED_TRACE(k + 1);
    write_checkpoint(folder / "model.h5.ckpt", whole[k]);
    const Checkpoint read = read_checkpoint(folder / "model.h5.ckpt");
    const std::vector<Checkpoint> rest = train_from(&read);
    ASSERT_EQ(rest.size(), whole.size() - 1 - k);
    for (size_t i = 0; i < rest.size(); ++i) {
      const Checkpoint& expected = whole[k + 1 + i];
      EXPECT_EQ(rest[i].weights, expected.weights);
      EXPECT_EQ(rest[i].optimizer.first, expected.optimizer.first);
      EXPECT_EQ(rest[i].optimizer.second, expected.optimizer.second);
      EXPECT_EQ(rest[i].optimizer.step, expected.optimizer.step);
      expect_equal(rest[i].history, expected.history);
    }
  }
}

TEST_P(ResumeTest, MoreEpochsThanWereAskedForAreRefused) {
  Checkpoint done = train_from(nullptr).back();
  done.history.push_back({});
  EXPECT_THAT(error_text<ArgumentError>([&] { train_from(&done); }),
              testing::HasSubstr("5 epochs are done, 4 were asked for"));
}

INSTANTIATE_TEST_SUITE_P(Engines, ResumeTest, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace oddity::test
