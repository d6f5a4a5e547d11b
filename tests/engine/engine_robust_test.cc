// Robust scores and trimmed training, against plain float64.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "data/variation.h"
#include "engine/engine_test.h"
#include "engine/reference_network.h"
#include "engine/robust_reference.h"
#include "support/test_images.h"

namespace oddity::test {
namespace {

constexpr uint64_t kSeed = 51;

const Architecture kOdd = conv_autoencoder(12, 20, 3, {3, 5}, 7);
const Architecture kGray = conv_autoencoder(28, 28, 1, {4}, 3);

std::vector<double> unit_values(const TestImages<uint8_t>& images) {
  std::vector<double> values;
  for (const uint8_t pixel : images.pixels) values.push_back(static_cast<double>(unit(pixel)));
  return values;
}

std::vector<float> image_of(const std::vector<double>& x, size_t image, const ImageShape& shape) {
  const auto size = static_cast<size_t>(shape.size());
  return {x.begin() + static_cast<ptrdiff_t>(image * size),
          x.begin() + static_cast<ptrdiff_t>((image + 1) * size)};
}

double variation_of(const std::vector<double>& x, size_t image, const ImageShape& shape) {
  return total_variation(image_of(x, image, shape), shape);
}

// What is smoothed are differences of numbers near 1, each rounded by 6e-8, and the smallest scores
// are squares of a hundredth: 2 · 6e-8 / .01.
TEST_P(EngineTest, RobustScoresAreThoseOfTheReconstructions) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const Architecture& architecture : {kOdd, kGray}) {
    const auto device = engine();
    const auto network = device->network(architecture, lively_weights(architecture, kSeed));
    const auto pixels = random_images<uint8_t>(architecture.image(), 9, kSeed);
    const auto images = device->upload(pixels.view());
    const std::vector<float> y = reconstruction(*network, *images, {0, 9});
    const std::vector<double> x = unit_values(pixels);
    // Some images lie below the floor, some above.
    const double floor = variation_of(x, 4, architecture.image());
    network->score_by({.kind = ScoreKind::robust, .variation_floor = floor});
    std::vector<double> expected;
    for (size_t i = 0; i < 9; ++i) {
      const auto size = static_cast<size_t>(architecture.image().size());
      expected.push_back(robust_score(image_of(x, i, architecture.image()),
                                      {y.data() + i * size, size}, architecture.image(), floor));
    }
    EXPECT_TRUE(all_near(scores(*network, *images), expected, {.relative = 1e-5}));
    // And back; evaluate() has never been anything else.
    const double mse = network->evaluate(*images, std::vector<uint32_t>{0, 1});
    network->score_by({});
    const std::vector<float> plain = scores(*network, *images, {0, 2});
    EXPECT_NEAR(mse, (static_cast<double>(plain[0]) + static_cast<double>(plain[1])) / 2, 1e-9);
  }
}

/// The gradients of a step on `n` images of a trimmed batch are those of the mean error of the
/// images that are left; a direction of random signs in each tensor stands for all its numbers.
void expect_gradients_of_the_others(Engine& device, size_t n, double trim, size_t left_out) {
  const Weights weights = lively_weights(kOdd, kSeed);
  const auto pixels = random_images<uint8_t>(kOdd.image(), n, kSeed + 1);
  const auto images = device.upload(pixels.view());
  const auto network = device.network(kOdd, weights);
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  NoProgress nobody;
  const EpochStats stats = network->train_epoch(*images, order, n, std::vector{1e-3}, nobody, trim);
  const Weights gradients = gradients_of_first_step(*network);

  ReferenceNetwork reference(kOdd, weights);
  const std::vector<double> x = unit_values(pixels);
  const std::vector<double> errors = reference.training_errors(x);
  // The loss is that of all.
  const double mean = std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(n);
  EXPECT_NEAR(stats.loss, mean, 1e-5);
  std::vector<size_t> kept(n);
  std::iota(kept.begin(), kept.end(), size_t{0});
  std::sort(kept.begin(), kept.end(), [&](size_t a, size_t b) {
    const auto odd = [&](size_t i) {
      return errors[i] / std::pow(variation_of(x, i, kOdd.image()), 0.75);
    };
    return odd(a) < odd(b);
  });
  kept.resize(n - left_out);
  const auto loss = [&] {
    const std::vector<double> all = reference.training_errors(x);
    double sum = 0;
    for (const size_t i : kept) sum += all[i];
    return sum / static_cast<double>(kept.size());
  };
  Philox random(kSeed, 7);
  for (const TensorSpec& spec : tensor_specs(kOdd)) {
    if (!spec.trainable) continue;
    std::vector<double>& values = reference.tensor(spec.name);
    const std::vector<double> start = values;
    const std::vector<float>& gradient = gradients.at(spec.name).values;
    std::vector<double> direction;
    double said = 0;
    double square = 0;
    for (const float g : gradient) {
      direction.push_back(random() % 2 == 0 ? 1 : -1);
      said += static_cast<double>(g) * direction.back();
      square += std::pow(static_cast<double>(g), 2);
    }
    const double step = 1e-6 / std::sqrt(static_cast<double>(values.size()));
    const auto loss_at = [&](double distance) {
      for (size_t i = 0; i < values.size(); ++i) values[i] = start[i] + distance * direction[i];
      return loss();
    };
    const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
    values = start;
    // As in selftest: an activation at LeakyReLU's kink may turn its sign, a hundredth of a small
    // tensor's gradient; the bias before a normalisation has none but noise.
    EXPECT_NEAR(said, slope, 1e-2 * std::sqrt(square) + 1e-6) << spec.name;
  }
}

TEST_P(EngineTest, TrimmedStepsDoNotLearnFromTheWorst) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto device = engine();
  expect_gradients_of_the_others(*device, 7, 0.3, 3);   // of 2.1
  expect_gradients_of_the_others(*device, 7, 0.01, 1);  // at least one
  expect_gradients_of_the_others(*device, 2, 0.9, 1);   // but not all
}

TEST_P(EngineTest, TrimmingDoesNotDependOnHowImagesLieInMemory) {
  const auto device = engine();
  const auto pixels = random_images<uint8_t>(kOdd.image(), 12, kSeed + 2);
  const auto train = [&](const std::vector<uint32_t>& order, const TestImages<uint8_t>& set) {
    const auto images = device->upload(set.view());
    const auto network = device->network(kOdd, lively_weights(kOdd, kSeed));
    NoProgress nobody;
    network->train_epoch(*images, order, 6, std::vector<double>(2, 1e-3), nobody, 0.2);
    return network->weights();
  };
  // The same images in the same order, from a set that holds them reversed.
  TestImages<uint8_t> reversed = pixels;
  const auto size = static_cast<size_t>(kOdd.image().size());
  std::vector<uint32_t> order, reversed_order;
  for (uint32_t i = 0; i < 12; ++i) {
    std::copy_n(pixels.pixels.begin() + static_cast<ptrdiff_t>(i * size), size,
                reversed.pixels.begin() + static_cast<ptrdiff_t>((11 - i) * size));
    order.push_back(i);
    reversed_order.push_back(11 - i);
  }
  EXPECT_EQ(train(order, pixels), train(reversed_order, reversed));
}

TEST_P(EngineTest, RobustArgumentsAreChecked) {
  const auto device = engine();
  const auto network = device->network(kOdd, lively_weights(kOdd, kSeed));
  const auto images = device->upload(random_images<uint8_t>(kOdd.image(), 2, kSeed).view());
  NoProgress nobody;
  for (const double trim : {-0.1, 1.0, std::nan("")}) {
    EXPECT_THROW(network->train_epoch(*images, std::vector<uint32_t>{0, 1}, 2, std::vector{1e-3},
                                      nobody, trim),
                 ArgumentError);
  }
  for (const double floor : {-1.0, HUGE_VAL, std::nan("")}) {
    EXPECT_THROW(network->score_by({.kind = ScoreKind::robust, .variation_floor = floor}),
                 ArgumentError);
  }
}

}  // namespace
}  // namespace oddity::test
