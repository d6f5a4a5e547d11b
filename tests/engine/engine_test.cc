#include "engine/engine_test.h"

namespace oddity::test {

INSTANTIATE_TEST_SUITE_P(Engines, EngineTest, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

INSTANTIATE_TEST_SUITE_P(Devices, DeviceTest, testing::ValuesIn(device_names()),
                         [](const auto& device) { return device.param; });

void StepRecorder::update(size_t done, size_t total, double value) {
  const double images = static_cast<double>(done - (done_.empty() ? 0 : done_.back()));
  const double sum = value * static_cast<double>(done);
  losses_.push_back((sum - sum_) / images);
  sum_ = sum;
  done_.push_back(done);
  total_ = total;
}

std::vector<float> scores(Network& network, const Images& images, Range range) {
  NoProgress progress;
  const auto on_device = network.score(images, range, progress);
  std::vector<float> result(on_device->size());
  on_device->download(result);
  return result;
}

std::vector<float> scores(Network& network, const Images& images) {
  return scores(network, images, {0, images.size()});
}

std::vector<float> latent(Network& network, const Images& images, Range range) {
  std::vector<float> result(range.size() * static_cast<size_t>(network.architecture().latent_dim));
  network.encode(images, range, result);
  return result;
}

std::vector<float> reconstruction(Network& network, const Images& images, Range range) {
  std::vector<float> result(range.size() * static_cast<size_t>(images.shape().size()));
  network.reconstruct(images, range, result);
  return result;
}

std::vector<float> pixel_errors(Network& network, const Images& images, Range range) {
  std::vector<float> result(range.size() * static_cast<size_t>(images.shape().size()));
  network.pixel_errors(images, range, result);
  return result;
}

Weights gradients_of_first_step(const Network& network) {
  const OptimizerState state = network.optimizer();
  EXPECT_EQ(state.step, 1);
  Weights gradients = state.first;
  for (Tensor& tensor : gradients.tensors()) {
    for (float& value : tensor.values) value /= 0.1f;
  }
  return gradients;
}

void expect_near(const Weights& actual, const reference::Parameters& expected,
                 const Tolerance& tolerance) {
  for (const auto& [name, values] : expected) {
    EXPECT_TRUE(all_near(actual.at(name).values, values, tolerance)) << name;
  }
}

reference::Parameters golden_parameters(const std::string& folder) {
  reference::Parameters parameters;
  for (const std::string& name : golden_names(folder)) {
    if (name.ends_with("_bessel")) continue;  // tf_keras' unbiased variance, which ours is not
    const std::vector<float> values = golden_values(folder + "/" + name);
    parameters[name].assign(values.begin(), values.end());
  }
  return parameters;
}

Weights lively_weights(const Architecture& architecture, uint64_t seed) {
  Weights weights = initial_weights(architecture, seed);
  Philox random(seed, /*stream=*/2000);
  for (Tensor& tensor : weights.tensors()) {
    if (tensor.name.ends_with(".kernel")) continue;
    for (float& value : tensor.values) value += 0.6f * random.uniform() - 0.3f;
  }
  return weights;
}

}  // namespace oddity::test
