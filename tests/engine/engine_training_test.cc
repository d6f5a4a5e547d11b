// Training as its callers see it: a loss that falls, progress, and stopping.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "engine/engine_test.h"

namespace oddity::test {
namespace {

/// The images of golden/step: 320 of MNIST.
class Mnist320 {
 public:
  explicit Mnist320(Engine& engine)
      : images(engine.upload(golden_step_images().view())),
        network(engine.network(mnist_architecture(), initial_weights(mnist_architecture(), 42))) {}
  std::unique_ptr<Images> images;
  std::unique_ptr<Network> network;
};

std::vector<double> learning_rates_from(int64_t first, int64_t steps) {
  std::vector<double> rates;
  for (int64_t step = first; step < first + steps; ++step) {
    rates.push_back(golden_learning_rate(step));
  }
  return rates;
}

/// Stops the work at one of its reports, as Ctrl-C does.
class Stopper final : public Progress {
 public:
  explicit Stopper(int last) : last_(last) {}
  void update(size_t, size_t, double) override {
    if (++reports_ == last_) throw Interrupted("stopped by the test");
  }
  int reports() const { return reports_; }

 private:
  int last_;
  int reports_ = 0;
};

TEST_P(DeviceTest, ShortRunLearns) {
  const auto device = engine();
  Mnist320 mnist(*device);
  const double before = mnist.network->evaluate(*mnist.images, in_order(320));
  std::vector<double> losses;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    Philox random(42, static_cast<uint64_t>(epoch));
    NoProgress progress;
    losses.push_back(mnist.network
                         ->train_epoch(*mnist.images, permutation(300, random), 32,
                                       learning_rates_from(10 * epoch, 10), progress)
                         .loss);
  }
  // Ten steps of Keras on these images go from .297 to .118.
  EXPECT_LT(losses[0], 0.25);
  EXPECT_LT(losses[1], 0.6 * losses[0]);
  EXPECT_LT(losses[2], 0.8 * losses[1]);
  // Moving statistics lag behind (momentum .99), so inference gains less.
  EXPECT_LT(mnist.network->evaluate(*mnist.images, in_order(320)), before);
}

TEST_P(DeviceTest, TrainingReportsEveryStep) {
  const auto device = engine();
  Mnist320 mnist(*device);
  StepRecorder recorder;
  const EpochStats stats = mnist.network->train_epoch(*mnist.images, in_order(70), 32,
                                                      learning_rates_from(0, 3), recorder);
  EXPECT_EQ(recorder.done(), (std::vector<size_t>{32, 64, 70}));
  EXPECT_EQ(recorder.total(), 70u);
  const std::vector<double>& losses = recorder.losses();
  EXPECT_NEAR(stats.loss, (32 * losses.at(0) + 32 * losses.at(1) + 6 * losses.at(2)) / 70, 1e-12);
}

TEST_P(DeviceTest, ScoringReportsWhereItStands) {
  const auto device = engine({.threads = 2, .max_batch = 32});
  Mnist320 mnist(*device);
  StepRecorder recorder;
  mnist.network->score(*mnist.images, {10, 110}, recorder);
  ASSERT_FALSE(recorder.done().empty());
  EXPECT_TRUE(std::is_sorted(recorder.done().begin(), recorder.done().end()));
  EXPECT_EQ(recorder.done().back(), 100u);
  EXPECT_EQ(recorder.total(), 100u);
}

TEST_P(EngineTest, DivergedTrainingShowsInTheLoss) {
  // A step that overflows every later product: a loss that stays finite would hide it.
  const Architecture architecture = conv_autoencoder(8, 8, 1, {3}, 2);
  const auto pixels = random_images<uint8_t>(architecture.image(), 6, /*seed=*/6);
  const auto device = engine();
  const auto network = device->network(architecture, lively_weights(architecture, 6));
  const auto images = device->upload(pixels.view());
  NoProgress nobody;
  const std::vector<double> rates = {1e38, 1e38};
  EXPECT_FALSE(std::isfinite(network->train_epoch(*images, in_order(6), 3, rates, nobody).loss));
  EXPECT_FALSE(std::isfinite(network->evaluate(*images, in_order(6))));
}

TEST_P(DeviceTest, TrainingCanBeStopped) {
  const auto device = engine();
  Mnist320 mnist(*device);
  Stopper stopper(2);
  EXPECT_THROW(mnist.network->train_epoch(*mnist.images, in_order(320), 32,
                                          learning_rates_from(0, 10), stopper),
               Interrupted);
  EXPECT_EQ(stopper.reports(), 2);
  // A device works ahead of its reports: what was begun by then is done and counted, and the
  // network goes on from there.
  const int64_t steps = mnist.network->optimizer().step;
  EXPECT_GE(steps, 2);
  EXPECT_LE(steps, 10);
  Mnist320 twin(*device);
  NoProgress progress;
  twin.network->train_epoch(*twin.images, in_order(static_cast<size_t>(32 * steps)), 32,
                            learning_rates_from(0, steps), progress);
  EXPECT_EQ(mnist.network->weights(), twin.network->weights());
  mnist.network->train_epoch(*mnist.images, in_order(32), 32, learning_rates_from(steps, 1),
                             progress);
  EXPECT_EQ(mnist.network->optimizer().step, steps + 1);
}

TEST_P(DeviceTest, ScoringCanBeStopped) {
  const auto device = engine({.threads = 2, .max_batch = 32});
  Mnist320 mnist(*device);
  Stopper stopper(1);
  EXPECT_THROW(mnist.network->score(*mnist.images, {0, 320}, stopper), Interrupted);
  EXPECT_EQ(scores(*mnist.network, *mnist.images).size(), 320u);
}

TEST_P(EngineTest, MovingStatisticsFollowTheBatchOnly) {
  // Gradient steps of size 0 leave the weights alone and move the statistics by 1 %.
  const Architecture architecture = conv_autoencoder(8, 8, 1, {3}, 2);
  const Weights weights = lively_weights(architecture, 5);
  const auto pixels = random_images<uint8_t>(architecture.image(), 6, /*seed=*/5);
  const auto device = engine();
  const auto network = device->network(architecture, weights);
  NoProgress progress;
  network->train_epoch(*device->upload(pixels.view()), in_order(6), 6, std::vector{0.0}, progress);
  reference::Network truth(architecture, weights);
  truth.train_step(widen(pixels), 0);
  const Weights trained = network->weights();
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    const std::vector<float>& actual = trained.at(spec.name).values;
    if (spec.trainable) {
      EXPECT_EQ(actual, weights.at(spec.name).values) << spec.name;
    } else {
      EXPECT_TRUE(all_near(actual, truth.parameters().at(spec.name), {.absolute = 2e-7}))
          << spec.name;
      EXPECT_NE(actual, weights.at(spec.name).values) << spec.name;
    }
  }
}

}  // namespace
}  // namespace oddity::test
