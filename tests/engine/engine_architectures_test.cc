// Engines against the reference, on networks of every odd extent: channels that fill no vector,
// images that are not square, batches that are not full, one image, one pixel.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/engine_test.h"

namespace oddity::test {
namespace {

struct Shape {
  Architecture architecture;
  size_t images;
  size_t batch_size;  // the last step takes what is left
};

std::vector<Shape> shapes() {
  return {
      {conv_autoencoder(2, 2, 1, {1}, 1), 1, 1},  // one pixel encoded, one image
      {conv_autoencoder(6, 2, 2, {1}, 2), 5, 2},
      {conv_autoencoder(4, 4, 1, {3, 5}, 3), 7, 7},
      {conv_autoencoder(12, 20, 3, {3, 5}, 7), 9, 7},
      {conv_autoencoder(24, 8, 5, {8, 16, 24}, 17), 3, 2},
      {conv_autoencoder(14, 10, 4, {4}, 31), 33, 31},
      {conv_autoencoder(8, 12, 1, {33, 17}, 33), 34, 33},
      {conv_autoencoder(16, 16, 3, {2, 3, 2, 1}, 4), 31, 31},
      {conv_autoencoder(38, 6, 2, {20}, 16), 4, 3},
      {conv_autoencoder(28, 28, 1, {32, 64}, 16), 3, 2},
      {conv_autoencoder(8, 16, 1, {36, 33}, 9), 7, 5},  // even maps on both sides
  };
}

// Float32 noise of gradients, of the tensor's largest. Behind a batch normalisation over one or two
// pixels they cancel to nothing, and what is left is the rounding of terms near 1.
constexpr Tolerance kGradients{.absolute = 0x1p-23, .of_largest = 3e-5};
// A thousandth of their squares: twice the relative noise.
constexpr Tolerance kSquares{.absolute = 1e-11, .of_largest = 6e-5};
// Adam's first step is rate · g / (|g| + 3.2e-6): 2^-24 of a gradient that should be 0 moves
// its weight by 2e-5, in each of two or three steps.
constexpr Tolerance kWeights{.absolute = 5e-5};

TEST_P(EngineTest, InferenceOfOddShapes) {
  uint64_t seed = 100;
  for (const Shape& shape : shapes()) {
    const Architecture& a = shape.architecture;
    SCOPED_TRACE(fmt::format("{} filters {} latent {}, {} images, seed {}", to_string(a.image()),
                             fmt::join(a.filters, ","), a.latent_dim, shape.images, ++seed));
    const Weights weights = lively_weights(a, seed);
    const auto pixels = random_images<uint8_t>(a.image(), shape.images, seed);
    const auto device = engine({.threads = 2, .max_batch = 5});
    const auto network = device->network(a, weights);
    const auto images = device->upload(pixels.view());
    const Range all{0, shape.images};

    const reference::Network truth(a, weights);
    const reference::Pass pass = truth.run(widen(pixels), reference::Mode::inference);
    const reference::Batch& codes = pass.outputs.at("encoder.dense1");
    // Sums of up to a few hundred products of numbers near 1 in float32; the sigmoid's slope and
    // the mean over an image only shrink their noise.
    EXPECT_TRUE(all_near(latent(*network, *images, all), codes.values,
                         {.absolute = 2e-6 * std::max(1.0, largest(codes.values))}));
    EXPECT_TRUE(all_near(reconstruction(*network, *images, all), pass.reconstruction.values,
                         {.absolute = 2e-6}));
    EXPECT_TRUE(all_near(scores(*network, *images), pass.scores, {.relative = 3e-6}));
    std::vector<double> errors = widen(pixels).values;
    for (size_t i = 0; i < errors.size(); ++i) {
      errors[i] = std::pow(errors[i] - pass.reconstruction.values[i], 2);
    }
    // Twice the reconstruction's noise, as its derivative is at most 2.
    EXPECT_TRUE(all_near(pixel_errors(*network, *images, all), errors, {.absolute = 4e-6}));
    std::vector<float> decoded(pass.reconstruction.values.size());
    network->decode(std::vector<float>(codes.values.begin(), codes.values.end()), decoded);
    EXPECT_TRUE(all_near(decoded, pass.reconstruction.values, {.absolute = 2e-6}));
  }
}

TEST_P(EngineTest, TrainingOfOddShapes) {
  uint64_t seed = 200;
  for (const Shape& shape : shapes()) {
    const Architecture& a = shape.architecture;
    SCOPED_TRACE(fmt::format("{} filters {} latent {}, {} images, batches of {}, seed {}",
                             to_string(a.image()), fmt::join(a.filters, ","), a.latent_dim,
                             shape.images, shape.batch_size, ++seed));
    const Weights weights = lively_weights(a, seed);
    const auto pixels = random_images<uint8_t>(a.image(), shape.images, seed);
    Philox random(seed, 0);
    const std::vector<uint32_t> order = permutation(static_cast<uint32_t>(shape.images), random);
    const size_t batch_size = shape.batch_size;
    const auto device = engine();
    const auto images = device->upload(pixels.view());

    reference::Network truth(a, weights);
    const std::vector<uint32_t> first(order.begin(), order.begin() + batch_size);
    const reference::Batch batch = widen(pixels, first);
    const reference::Parameters gradients =
        truth.gradients(truth.run(batch, reference::Mode::training));

    // The first step alone shows its gradients.
    NoProgress nobody;
    const auto once = device->network(a, weights);
    once->train_epoch(*images, first, batch_size, std::vector{1e-3}, nobody);
    expect_near(gradients_of_first_step(*once), gradients, kGradients);

    // Two epochs, each with a step of what is left.
    const auto network = device->network(a, weights);
    size_t steps = 0;
    for (int epoch = 0; epoch < 2; ++epoch) {
      std::vector<double> rates;
      double sum = 0;
      for (size_t at = 0; at < order.size(); at += batch_size) {
        const size_t end = std::min(at + batch_size, order.size());
        rates.push_back(golden_learning_rate(static_cast<int64_t>(steps++)));
        const reference::Pass pass = truth.train_step(
            widen(pixels, {order.begin() + at, order.begin() + end}), rates.back());
        sum += pass.loss * static_cast<double>(end - at);
      }
      const EpochStats stats = network->train_epoch(*images, order, batch_size, rates, nobody);
      EXPECT_NEAR(stats.loss, sum / static_cast<double>(order.size()), 2e-6) << "epoch " << epoch;
    }
    EXPECT_EQ(network->optimizer().step, static_cast<int64_t>(steps));
    expect_near(network->weights(), truth.parameters(), kWeights);
    expect_near(network->optimizer().first, truth.adam().first(), kGradients);
    expect_near(network->optimizer().second, truth.adam().second(), kSquares);
  }
}

}  // namespace
}  // namespace oddity::test
