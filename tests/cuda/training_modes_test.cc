// Training on the emulator: what must not change a bit, and what a step consists of.
#include <gtest/gtest.h>

#include "cuda/emulated_devices.h"
#include "emulator/emulator.h"
#include "engine/cuda/training.h"

namespace oddity::test {
namespace {

const Architecture kSmall = conv_autoencoder(12, 20, 2, {5, 19}, 7);
constexpr size_t kImages = 21;
constexpr size_t kBatch = 8;  // the last step takes 5

struct Trained {
  double loss = 0;
  Weights weights;
  OptimizerState optimizer;
};

Trained train(const cuda::CudaEngineOptions& options) {
  const auto engine = cuda::make_cuda_engine(options);
  const auto pixels = random_images<uint8_t>(kSmall.image(), kImages, /*seed=*/21);
  const auto images = engine->upload(pixels.view());
  const auto network = engine->network(kSmall, initial_weights(kSmall, 21));
  Trained result;
  for (uint64_t epoch = 0; epoch < 2; ++epoch) {
    Philox random(21, epoch);
    NoProgress progress;
    result.loss = network
                      ->train_epoch(*images, permutation(kImages, random), kBatch,
                                    std::vector{1e-3, 9e-4, 8e-4}, progress)
                      .loss;
  }
  result.weights = network->weights();
  result.optimizer = network->optimizer();
  return result;
}

void expect_same_bits(const Trained& actual, const Trained& expected) {
  EXPECT_EQ(actual.loss, expected.loss);
  EXPECT_EQ(actual.weights, expected.weights);
  EXPECT_EQ(actual.optimizer.first, expected.optimizer.first);
  EXPECT_EQ(actual.optimizer.second, expected.optimizer.second);
}

class TrainingModes : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { emulator::reset(); }
  void TearDown() override { emulator::reset(); }
};

TEST_P(TrainingModes, GraphsAndStreamsGiveTheSameBits) {
  cuda::CudaEngineOptions options = emulated(GetParam());
  const Trained replayed = train(options);
  options.graphs = false;
  expect_same_bits(train(options), replayed);
}

TEST_P(TrainingModes, TheOrderOfThreadsBlocksAndStreamsChangesNothing) {
  emulator::settings().order = emulator::Order::kForward;
  const Trained forward = train(emulated(GetParam()));
  for (const emulator::Order order : {emulator::Order::kReverse, emulator::Order::kRandom}) {
    SCOPED_TRACE(order == emulator::Order::kReverse ? "reverse" : "random, seed 5");
    emulator::settings().order = order;
    emulator::settings().seed = 5;
    expect_same_bits(train(emulated(GetParam())), forward);
  }
}

TEST_P(TrainingModes, NothingIsLeft) {
  train(emulated(GetParam()));
  EXPECT_EQ(emulator::leaks(), "");
  for (const emulator::Report& report : emulator::reports()) ADD_FAILURE() << report.text;
}

INSTANTIATE_TEST_SUITE_P(Emulated, TrainingModes, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

TEST(TrainingStepBudget, LaunchesAStep) {
  // A launch costs microseconds, and the whole step of this network a few hundred: more launches
  // than now are a decision.
  const cuda::Plan plan(conv_autoencoder(28, 28, 1));
  const auto planner = cuda::make_kernel_planner();
  cuda::NetworkState state(plan);
  const cuda::Stream stream;
  cuda::TrainingStep step(plan, *planner, state, 4, stream.get());
  cuda::DeviceBuffer<uint8_t> pixels(4 * 784, "test");
  cuda::DeviceBuffer<uint32_t> positions(8, "test");
  cuda::DeviceBuffer<float> rates(2, "test");
  cuda::DeviceBuffer<kernels::EpochState> epoch(1, "test");
  const cuda::MappedBuffer<double> losses(2);
  const cuda::MappedBuffer<uint64_t> steps_done(1);
  pixels.clear(stream.get());
  positions.clear(stream.get());
  rates.clear(stream.get());
  epoch.clear(stream.get());
  state.parameters.clear(stream.get());
  state.first_moment.clear(stream.get());
  state.second_moment.clear(stream.get());
  state.moving.clear(stream.get());
  const cuda::EpochInput input{.images = {kernels::Pixels::u8, pixels.data(), 784},
                               .positions = positions.data(),
                               .rates = rates.data(),
                               .state = epoch.data(),
                               .progress = {losses.device(), steps_done.device()},
                               .batch = 4};
  for (int run = 0; run < 2; ++run) step.launch(stream.get(), input);  // the second is a graph
  stream.synchronize();
  EXPECT_EQ(*steps_done.host(), 2u);
  RecordProperty("graph_nodes", static_cast<int>(step.graph_nodes()));
  std::printf("a training step of the default network: %zu launches\n", step.graph_nodes());
  EXPECT_LE(step.graph_nodes(), 75u);
}

}  // namespace
}  // namespace oddity::test
