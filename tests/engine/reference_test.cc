// The reference against Keras. The goldens are a float64 truth rounded to float32, so what is left
// between the two is that rounding, half a unit in the last place, and float64 noise far below it.
#include <gtest/gtest.h>

#include "reference/network.h"
#include "support/golden_cases.h"
#include "support/near.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using reference::Mode;

// 2^-24 of the value; values near 0 keep the float64 noise of what they were computed from.
constexpr Tolerance kRounding{.absolute = 1e-12, .relative = 0x1p-24};

void expect_activations(const reference::Pass& pass, const std::string& folder, size_t least) {
  const std::vector<std::string> names = golden_names(folder);
  EXPECT_GE(names.size(), least);
  for (const std::string& name : names) {
    const auto file = read_npy_file<float>(golden(folder + "/" + name + ".npy"));
    std::vector<double> actual = pass.outputs.at(name).values;
    const size_t image = actual.size() / static_cast<size_t>(pass.images.count);
    // Large activations are kept of the first image only.
    actual.resize(image * static_cast<size_t>(file.shape.at(0)));
    EXPECT_TRUE(all_near(actual, file.values, kRounding)) << folder << "/" << name;
  }
}

void expect_tensors(const reference::Parameters& actual, const std::string& folder,
                    const Tolerance& tolerance) {
  size_t compared = 0;
  for (const std::string& name : golden_names(folder)) {
    if (name.ends_with("_bessel")) continue;  // tf_keras' unbiased variance, which ours is not
    EXPECT_TRUE(all_near(actual.at(name), golden_values(folder + "/" + name), tolerance))
        << folder << "/" << name;
    ++compared;
  }
  EXPECT_EQ(compared, actual.size());
}

TEST(ReferenceTest, EveryActivationOnMnist) {
  const reference::Network network(mnist_architecture(),
                                   golden_weights(mnist_architecture(), "init"));
  const reference::Batch images = widen(golden_forward_images());
  expect_activations(network.run(images, Mode::inference), "forward/infer", 16);
  expect_activations(network.run(images, Mode::training), "forward/train", 14);
}

TEST(ReferenceTest, EveryActivationOfTheSmallNetworks) {
  for (const SmallCase& c : small_cases()) {
    const reference::Network network(c.architecture,
                                     golden_weights(c.architecture, c.folder + "/init"));
    expect_activations(network.run(widen(c.images), Mode::inference), c.folder + "/infer", 10);
    expect_activations(network.run(widen(c.images), Mode::training), c.folder + "/train", 10);
  }
}

TEST(ReferenceTest, TrainedNetworkEncodesAndReconstructs) {
  const reference::Network network(mnist_architecture(),
                                   golden_weights(mnist_architecture(), "trained/weights"));
  const reference::Pass pass = network.run(widen(golden_forward_images()), Mode::inference);
  const reference::Batch& latent = pass.outputs.at("encoder.dense1");
  EXPECT_TRUE(all_near(latent.values, golden_values("forward/trained_latent"), kRounding));
  EXPECT_TRUE(
      all_near(pass.reconstruction.values, golden_values("forward/trained_output"), kRounding));
  EXPECT_EQ(network.decode(latent).values, pass.reconstruction.values);

  const auto positions = read_npy_file<int32_t>(golden("forward/pos.npy")).values;
  const auto scores = read_npy_file<double>(golden("trained/scores_f64.npy")).values;
  std::vector<double> expected;
  for (const int32_t position : positions) expected.push_back(scores.at(position));
  // These are float64 in the file: no rounding.
  EXPECT_TRUE(all_near(pass.scores, expected, {.relative = 1e-12}));
}

TEST(ReferenceTest, FirstStepsOnMnist) {
  reference::Network network(mnist_architecture(), golden_weights(mnist_architecture(), "init"));
  const TestImages<uint8_t> images = golden_step_images();
  std::vector<float> expected_losses = golden_values("step/loss");
  expected_losses.resize(3);
  std::vector<uint32_t> batch = in_order(32);

  const reference::Pass first = network.run(widen(images, batch), Mode::training);
  expect_tensors(network.gradients(first), "step/grad", kRounding);
  std::vector<double> losses;
  for (size_t step = 0; step < expected_losses.size(); ++step) {
    const reference::Pass pass =
        network.train_step(widen(images, batch), golden_learning_rate(static_cast<int64_t>(step)));
    losses.push_back(pass.loss);
    if (step == 0) expect_tensors(network.parameters(), "step/after1", kRounding);
    for (uint32_t& position : batch) position += 32;
  }
  EXPECT_TRUE(all_near(losses, expected_losses, kRounding));
}

TEST(ReferenceTest, TenStepsOfTheSmallNetworks) {
  for (const SmallCase& c : small_cases()) {
    reference::Network network(c.architecture, golden_weights(c.architecture, c.folder + "/init"));
    const reference::Batch images = widen(c.images);
    std::vector<double> losses;
    expect_tensors(network.gradients(network.run(images, Mode::training)), c.folder + "/grad",
                   kRounding);
    for (int64_t step = 0; step < 10; ++step) {
      const reference::Pass pass = network.train_step(images, golden_learning_rate(step));
      losses.push_back(pass.loss);
      if (step == 0) expect_tensors(network.parameters(), c.folder + "/after1", kRounding);
    }
    EXPECT_TRUE(all_near(losses, golden_values(c.folder + "/loss"), kRounding)) << c.folder;
    expect_tensors(network.parameters(), c.folder + "/after10", kRounding);
    EXPECT_EQ(network.adam().steps(), 10);
  }
}

}  // namespace
}  // namespace oddity::test
