// Engines against Keras. Tolerances are the float32 noise that was measured between real
// implementations and a float64 truth; the goldens are that truth.
#include <algorithm>

#include "engine/engine_test.h"
#include "support/mnist.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

TEST_P(DeviceTest, ScoresOfTheTrainedModel) {
  const auto device = engine();
  const Architecture architecture = mnist_architecture();
  const auto network =
      device->network(architecture, golden_weights(architecture, "trained/weights"));
  const TestImages<uint8_t> mnist = mnist_anomaly_images();
  const auto images = device->upload(mnist.view());
  NoProgress progress;
  const auto on_device = network->score(*images, {0, images->size()}, progress);
  std::vector<float> actual(on_device->size());
  on_device->download(actual);
  const auto expected = read_npy_file<double>(golden("trained/scores_f64.npy")).values;
  ASSERT_EQ(actual.size(), 6809u);
  EXPECT_TRUE(all_near(actual, expected, {.relative = 3e-6}));

  // The images above the two thresholds: n·(1−q) of them by definition, which ones is the test.
  for (const auto& [file, flagged] : {std::pair{"q0.999", 7u}, std::pair{"q0.99", 69u}}) {
    const std::vector<uint64_t> rank = {actual.size() - flagged};
    const float lowest = on_device->select(rank).at(0);
    std::vector<int32_t> outliers;
    for (size_t i = 0; i < actual.size(); ++i) {
      if (actual[i] >= lowest) outliers.push_back(static_cast<int32_t>(i));
    }
    EXPECT_EQ(
        outliers,
        read_npy_file<int32_t>(golden(std::string("trained/outliers_") + file + ".npy")).values);
  }
}

TEST_P(EngineTest, LatentVectorsAndReconstructionsOfTheTrainedModel) {
  const auto device = engine();
  const Architecture architecture = mnist_architecture();
  const auto network =
      device->network(architecture, golden_weights(architecture, "trained/weights"));
  const auto images = device->upload(golden_forward_images().view());
  const std::vector<float> codes = latent(*network, *images, {0, 8});
  // Latent numbers reach 30, sums of 3136 products: 6e-8 is the noise of numbers near 1.
  const std::vector<float> golden_codes = golden_values("forward/trained_latent");
  EXPECT_TRUE(all_near(codes, golden_codes, {.of_largest = 1e-6}));
  // Keras' own float32 is 9.9e-7 from the truth here.
  const std::vector<float> golden_output = golden_values("forward/trained_output");
  EXPECT_TRUE(
      all_near(reconstruction(*network, *images, {0, 8}), golden_output, {.absolute = 2e-6}));
  std::vector<float> decoded(golden_output.size());
  network->decode(codes, decoded);
  EXPECT_TRUE(all_near(decoded, golden_output, {.absolute = 2e-6}));
}

TEST_P(EngineTest, UntrainedReconstructions) {
  const auto device = engine();
  const Architecture architecture = mnist_architecture();
  const auto network = device->network(architecture, golden_weights(architecture, "init"));
  const auto images = device->upload(golden_forward_images().view());
  // Noise of inference: 6e-8.
  EXPECT_TRUE(all_near(latent(*network, *images, {0, 8}),
                       golden_values("forward/infer/encoder.dense1"), {.absolute = 6e-8}));
  EXPECT_TRUE(all_near(reconstruction(*network, *images, {0, 8}),
                       golden_values("forward/infer/decoder.sigmoid1"), {.absolute = 6e-8}));
}

TEST_P(EngineTest, FirstStepOnMnist) {
  const auto device = engine();
  const Architecture architecture = mnist_architecture();
  const auto network = device->network(architecture, golden_weights(architecture, "init"));
  const TestImages<uint8_t> batches = golden_step_images();
  const auto images = device->upload(batches.view());
  NoProgress progress;
  const EpochStats stats = network->train_epoch(*images, in_order(32), 32,
                                                std::vector{golden_learning_rate(0)}, progress);
  // The mean of 25088 squares of training-mode outputs, each within 1.2e-5 and independent.
  EXPECT_NEAR(stats.loss, static_cast<double>(golden_values("step/loss").at(0)), 1e-6);
  // Elements at LeakyReLU's kink flip sides: up to 1.9e-3 of the tensor's largest gradient.
  expect_near(gradients_of_first_step(*network), golden_parameters("step/grad"),
              {.of_largest = 1.9e-3});
  // Adam turns the noise of small gradients into a step of its own: 1.4e-4.
  expect_near(network->weights(), golden_parameters("step/after1"), {.absolute = 1.4e-4});
}

TEST_P(DeviceTest, TenStepsOnMnist) {
  const auto device = engine();
  const Architecture architecture = mnist_architecture();
  const auto network = device->network(architecture, golden_weights(architecture, "init"));
  const TestImages<uint8_t> batches = golden_step_images();
  const auto images = device->upload(batches.view());
  const auto rates = read_npy_file<double>(golden("step/lr_f64.npy")).values;
  StepRecorder recorder;
  const EpochStats stats = network->train_epoch(*images, in_order(320), 32, rates, recorder);
  const std::vector<float> expected = golden_values("step/loss");
  // Trajectories are chaotic; over these ten steps Keras' float32 loss strays by up to 1.9e-5.
  EXPECT_TRUE(all_near(recorder.losses(), expected, {.absolute = 5e-5}));
  double mean = 0;
  for (const float loss : expected) mean += static_cast<double>(loss) / 10;
  EXPECT_NEAR(stats.loss, mean, 5e-5);
}

TEST_P(EngineTest, TenStepsOfTheSmallNetworks) {
  for (const SmallCase& c : small_cases()) {
    SCOPED_TRACE(c.folder);
    const auto device = engine();
    const auto network =
        device->network(c.architecture, golden_weights(c.architecture, c.folder + "/init"));
    const auto images = device->upload(c.images.view());
    const size_t n = images->size();
    EXPECT_TRUE(all_near(reconstruction(*network, *images, {0, n}),
                         golden_values(c.folder + "/infer/decoder.sigmoid1"), {.absolute = 1e-6}));
    const std::vector<float> losses = golden_values(c.folder + "/loss");
    for (int64_t step = 0; step < 10; ++step) {
      NoProgress progress;
      const EpochStats stats = network->train_epoch(
          *images, in_order(n), n, std::vector{golden_learning_rate(step)}, progress);
      EXPECT_NEAR(stats.loss, static_cast<double>(losses.at(step)), 1e-6) << "step " << step;
      if (step > 0) continue;
      expect_near(gradients_of_first_step(*network), golden_parameters(c.folder + "/grad"),
                  {.of_largest = 6e-6});
      expect_near(network->weights(), golden_parameters(c.folder + "/after1"), {.absolute = 1e-5});
    }
    expect_near(network->weights(), golden_parameters(c.folder + "/after10"), {.absolute = 1e-5});
    EXPECT_EQ(network->optimizer().step, 10);
  }
}

}  // namespace
}  // namespace oddity::test
