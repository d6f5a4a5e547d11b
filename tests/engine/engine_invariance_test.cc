// What must not change a single bit: how the work is cut, who does it, and when it is interrupted.
#include <algorithm>
#include <numeric>

#include "engine/engine_test.h"

namespace oddity::test {
namespace {

const Architecture kArchitecture = conv_autoencoder(12, 20, 2, {5, 19}, 7);

struct Trained {
  Weights weights;
  OptimizerState optimizer;
  std::vector<double> losses;
};

void expect_same_bits(const Trained& actual, const Trained& expected) {
  EXPECT_EQ(actual.losses, expected.losses);
  EXPECT_EQ(actual.weights, expected.weights);
  EXPECT_EQ(actual.optimizer.first, expected.optimizer.first);
  EXPECT_EQ(actual.optimizer.second, expected.optimizer.second);
  EXPECT_EQ(actual.optimizer.step, expected.optimizer.step);
}

/// What is trimmed of an epoch: nothing of the first, as where it is asked for.
double trim_of(uint64_t epoch) { return epoch == 0 ? 0 : 0.2; }

/// Two epochs over 37 images in batches of 16, the last of 5.
Trained train(Engine& device, const Architecture& architecture, const ImageView& pixels) {
  const auto images = device.upload(pixels);
  const auto network = device.network(architecture, initial_weights(architecture, 11));
  StepRecorder recorder;
  for (uint64_t epoch = 0; epoch < 2; ++epoch) {
    Philox random(11, epoch);
    network->train_epoch(*images, permutation(static_cast<uint32_t>(images->size()), random), 16,
                         std::vector{1e-3, 9e-4, 8e-4}, recorder, trim_of(epoch));
  }
  return {network->weights(), network->optimizer(), recorder.losses()};
}

TEST_P(EngineTest, ScoresDoNotDependOnTheBatch) {
  const auto pixels = random_images<uint8_t>(kArchitecture.image(), 67, /*seed=*/1);
  const Weights weights = lively_weights(kArchitecture, 1);
  for (const ScoreKind kind : {ScoreKind::mse, ScoreKind::robust}) {
    std::vector<float> whole;
    for (const size_t max_batch : {256, 7, 1}) {
      const auto device = engine({.threads = 2, .max_batch = max_batch});
      const auto network = device->network(kArchitecture, weights);
      network->score_by({.kind = kind, .variation_floor = 1});
      const auto images = device->upload(pixels.view());
      const std::vector<float> actual = scores(*network, *images);
      if (whole.empty()) whole = actual;
      EXPECT_EQ(actual, whole) << name_of(kind) << ", max_batch " << max_batch;
    }
  }
}

TEST_P(EngineTest, ScoresDoNotDependOnWhetherTheSetStaysOrStreams) {
  const auto pixels = random_images<uint8_t>(kArchitecture.image(), 67, /*seed=*/6);
  const auto device = engine();
  const auto network = device->network(kArchitecture, lively_weights(kArchitecture, 6));
  const std::vector<float> whole = scores(*network, *device->upload(pixels.view()));
  const ImageView view = pixels.view();
  for (const PixelType type : {PixelType::u8, PixelType::u16, PixelType::f32}) {
    // Three chunks, the last of them not full; wider numbers that stand for the same values.
    const auto staging = device->staging(type, kArchitecture.image(), 31);
    std::vector<float> streamed;
    for (size_t begin = 0; begin < view.count; begin += staging->capacity()) {
      const size_t count = std::min(staging->capacity(), view.count - begin);
      widen(view.type, view.image(begin), count * view.image_bytes(), type, staging->data());
      const Images& images = staging->send(count);
      const std::vector<float> chunk = scores(*network, images, {0, count});
      streamed.insert(streamed.end(), chunk.begin(), chunk.end());
    }
    EXPECT_EQ(streamed, whole) << name_of(type);
  }
}

TEST_P(EngineTest, ScoresDoNotDependOnTheRangeOrTheOrder) {
  const auto pixels = random_images<uint8_t>(kArchitecture.image(), 67, /*seed=*/2);
  const auto device = engine();
  const auto network = device->network(kArchitecture, lively_weights(kArchitecture, 2));
  const auto images = device->upload(pixels.view());
  const std::vector<float> whole = scores(*network, *images);
  const std::vector<float> codes = latent(*network, *images, {0, 67});
  const std::vector<float> reconstructions = reconstruction(*network, *images, {0, 67});
  const std::vector<float> errors = pixel_errors(*network, *images, {0, 67});
  for (const Range range : {Range{0, 1}, Range{66, 67}, Range{5, 5}, Range{3, 34}, Range{31, 64}}) {
    const auto part = [&](const std::vector<float>& all) {
      const size_t each = all.size() / 67;
      return std::vector<float>(all.begin() + range.begin * each, all.begin() + range.end * each);
    };
    EXPECT_EQ(scores(*network, *images, range), part(whole));
    EXPECT_EQ(latent(*network, *images, range), part(codes));
    EXPECT_EQ(reconstruction(*network, *images, range), part(reconstructions));
    EXPECT_EQ(pixel_errors(*network, *images, range), part(errors));
  }

  TestImages<uint8_t> reversed{pixels.shape, {}};
  for (size_t i = pixels.size(); i-- > 0;) {
    const auto image = pixels.pixels.begin() + static_cast<int64_t>(i) * pixels.shape.size();
    reversed.pixels.insert(reversed.pixels.end(), image, image + pixels.shape.size());
  }
  std::vector<float> backwards = scores(*network, *device->upload(reversed.view()));
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(backwards, whole);
}

TEST_P(EngineTest, EvaluationIsTheMeanOfTheScores) {
  const auto pixels = random_images<uint8_t>(kArchitecture.image(), 67, /*seed=*/3);
  const auto device = engine();
  const auto network = device->network(kArchitecture, lively_weights(kArchitecture, 3));
  const auto images = device->upload(pixels.view());
  const std::vector<float> each = scores(*network, *images);
  Philox random(3, 0);
  std::vector<uint32_t> positions = permutation(67, random);
  positions.resize(41);
  double sum = 0;
  for (const uint32_t position : positions) sum += static_cast<double>(each[position]);
  EXPECT_EQ(network->evaluate(*images, positions), sum / 41);
}

TEST_P(EngineTest, OrderStatisticsAreThoseOfTheSortedScores) {
  const auto pixels = random_images<uint8_t>(kArchitecture.image(), 67, /*seed=*/4);
  const auto device = engine();
  const auto network = device->network(kArchitecture, lively_weights(kArchitecture, 4));
  const auto images = device->upload(pixels.view());
  NoProgress progress;
  const auto on_device = network->score(*images, {0, 67}, progress);
  std::vector<float> sorted = scores(*network, *images);
  std::sort(sorted.begin(), sorted.end());
  std::vector<uint64_t> ranks(67);
  std::iota(ranks.begin(), ranks.end(), 0);
  EXPECT_EQ(on_device->select(ranks), sorted);
  EXPECT_EQ(on_device->select(std::vector<uint64_t>{66, 0, 66}),
            (std::vector<float>{sorted[66], sorted[0], sorted[66]}));
}

TEST_P(EngineTest, NothingDependsOnThreads) {
  for (const Architecture& architecture : {kArchitecture, conv_autoencoder(28, 28, 1)}) {
    const auto pixels = random_images<uint8_t>(architecture.image(), 37, /*seed=*/5);
    Trained one;
    std::vector<float> one_scores;
    for (const int threads : {1, 2, 3, 5}) {
      SCOPED_TRACE(fmt::format("{} threads", threads));
      const auto device = engine({.threads = threads});
      const Trained trained = train(*device, architecture, pixels.view());
      const auto network = device->network(architecture, trained.weights);
      const std::vector<float> trained_scores = scores(*network, *device->upload(pixels.view()));
      if (threads == 1) {
        one = trained;
        one_scores = trained_scores;
      }
      expect_same_bits(trained, one);
      EXPECT_EQ(trained_scores, one_scores);
    }
  }
}

TEST_P(EngineTest, TrainingTwiceGivesTheSameBits) {
  const auto pixels = random_images<uint8_t>(kArchitecture.image(), 37, /*seed=*/6);
  const auto device = engine();
  expect_same_bits(train(*device, kArchitecture, pixels.view()),
                   train(*device, kArchitecture, pixels.view()));
}

TEST_P(EngineTest, TrainingDoesNotDependOnTheScoringBatch) {
  const auto pixels = random_images<uint8_t>(kArchitecture.image(), 37, /*seed=*/7);
  expect_same_bits(train(*engine({.threads = 2, .max_batch = 1}), kArchitecture, pixels.view()),
                   train(*engine({.threads = 2, .max_batch = 256}), kArchitecture, pixels.view()));
}

TEST_P(EngineTest, ScoringBetweenStepsChangesNothing) {
  const auto pixels = random_images<uint8_t>(kArchitecture.image(), 37, /*seed=*/8);
  const auto device = engine();
  const auto images = device->upload(pixels.view());
  const auto train_steps = [&](bool score_between) {
    const auto network = device->network(kArchitecture, initial_weights(kArchitecture, 8));
    NoProgress progress;
    for (int step = 0; step < 3; ++step) {
      network->train_epoch(*images, in_order(16), 16, std::vector{1e-3}, progress);
      if (!score_between) continue;
      scores(*network, *images);
      network->evaluate(*images, in_order(37));
      reconstruction(*network, *images, {0, 37});
    }
    return network->weights();
  };
  EXPECT_EQ(train_steps(true), train_steps(false));
}

TEST_P(EngineTest, TrainingGoesOnWhereItStopped) {
  const auto pixels = random_images<uint8_t>(kArchitecture.image(), 37, /*seed=*/9);
  const auto device = engine();
  const auto images = device->upload(pixels.view());
  const auto order = in_order(37);
  const std::vector<double> rates = {1e-3, 9e-4, 8e-4};
  NoProgress progress;
  const auto whole = device->network(kArchitecture, initial_weights(kArchitecture, 9));
  whole->train_epoch(*images, order, 16, rates, progress);
  // The state leaves the engine and comes back in another one.
  const auto other = engine({.threads = 1});
  const auto part = other->network(kArchitecture, whole->weights(), whole->optimizer());
  const auto other_images = other->upload(pixels.view());
  const EpochStats expected = whole->train_epoch(*images, order, 16, rates, progress);
  const EpochStats actual = part->train_epoch(*other_images, order, 16, rates, progress);
  EXPECT_EQ(actual.loss, expected.loss);
  expect_same_bits({part->weights(), part->optimizer(), {}},
                   {whole->weights(), whole->optimizer(), {}});
  EXPECT_EQ(part->optimizer().step, 6);
}

TEST_P(EngineTest, PixelTypesOfTheSameValuesGiveTheSameBits) {
  const auto bytes = random_images<uint8_t>(kArchitecture.image(), 37, /*seed=*/10);
  TestImages<uint16_t> words{bytes.shape, {}};
  TestImages<float> floats{bytes.shape, {}};
  for (const uint8_t pixel : bytes.pixels) {
    words.pixels.push_back(static_cast<uint16_t>(pixel * 257));  // k·257 / 65535 = k / 255
    floats.pixels.push_back(unit(pixel));
  }
  const auto device = engine();
  const Trained trained = train(*device, kArchitecture, bytes.view());
  expect_same_bits(train(*device, kArchitecture, words.view()), trained);
  expect_same_bits(train(*device, kArchitecture, floats.view()), trained);
  const auto network = device->network(kArchitecture, trained.weights);
  const std::vector<float> expected = scores(*network, *device->upload(bytes.view()));
  EXPECT_EQ(scores(*network, *device->upload(words.view())), expected);
  EXPECT_EQ(scores(*network, *device->upload(floats.view())), expected);
}

TEST_P(EngineTest, EveryPixelOfTheWiderTypesCounts) {
  // Values that no byte can hold.
  const Weights weights = lively_weights(kArchitecture, 12);
  const auto device = engine();
  const auto network = device->network(kArchitecture, weights);
  const reference::Network truth(kArchitecture, weights);
  const auto words = random_images<uint16_t>(kArchitecture.image(), 9, /*seed=*/12);
  const auto floats = random_images<float>(kArchitecture.image(), 9, /*seed=*/13);
  EXPECT_TRUE(all_near(scores(*network, *device->upload(words.view())),
                       truth.run(widen(words), reference::Mode::inference).scores,
                       {.relative = 3e-6}));
  EXPECT_TRUE(all_near(scores(*network, *device->upload(floats.view())),
                       truth.run(widen(floats), reference::Mode::inference).scores,
                       {.relative = 3e-6}));
}

TEST_P(EngineTest, WeightsComeBackAsTheyWent) {
  const Weights weights = lively_weights(kArchitecture, 14);
  OptimizerState state{lively_weights(kArchitecture, 15), lively_weights(kArchitecture, 16), 321};
  for (Weights* moments : {&state.first, &state.second}) {
    for (Tensor& tensor : moments->tensors()) {
      const bool moving = tensor.name.find(".moving_") != std::string::npos;
      for (float& value : tensor.values) value = moving ? 0.0f : std::abs(value);
    }
  }
  const auto device = engine();
  const auto network = device->network(kArchitecture, weights, state);
  EXPECT_EQ(network->architecture(), kArchitecture);
  EXPECT_EQ(network->weights(), weights);
  EXPECT_EQ(network->optimizer().first, state.first);
  EXPECT_EQ(network->optimizer().second, state.second);
  EXPECT_EQ(network->optimizer().step, 321);
}

}  // namespace
}  // namespace oddity::test
