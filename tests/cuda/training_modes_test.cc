// Training on the emulator: what must not change a bit, and what a step consists of.
#include <gtest/gtest.h>

#include "core/error.h"
#include "cuda/emulated_devices.h"
#include "emulator/emulator.h"
#include "engine/cuda/training.h"

namespace oddity::test {
namespace {

const Architecture kSmall = conv_autoencoder(12, 20, 2, {5, 19}, 7);

struct Epochs {
  size_t images = 0;
  size_t batch = 0;
};
// The last step of each takes fewer.
constexpr Epochs kShort = {21, 8};
// 17 whole steps. The first is enqueued; then, and again in the second epoch, there are two graphs
// of eight, and what they leave.
constexpr Epochs kLong = {53, 3};

struct Trained {
  double loss = 0;
  Weights weights;
  OptimizerState optimizer;
};

Trained train(const cuda::CudaEngineOptions& options, const Epochs& epochs = kLong) {
  const auto engine = cuda::make_cuda_engine(options);
  const auto pixels = random_images<uint8_t>(kSmall.image(), epochs.images, /*seed=*/21);
  const auto images = engine->upload(pixels.view());
  const auto network = engine->network(kSmall, initial_weights(kSmall, 21));
  const size_t steps = (epochs.images + epochs.batch - 1) / epochs.batch;
  std::vector<double> rates;
  for (size_t step = 0; step < steps; ++step) {
    rates.push_back(1e-3 - 1e-4 * static_cast<double>(step % 3));
  }
  Trained result;
  for (uint64_t epoch = 0; epoch < 2; ++epoch) {
    Philox random(21, epoch);
    StepRecorder recorder;
    result.loss =
        network
            ->train_epoch(*images, permutation(static_cast<uint32_t>(epochs.images), random),
                          epochs.batch, rates, recorder, epoch == 0 ? 0 : 0.2)
            .loss;
    EXPECT_EQ(recorder.done().size(), steps);
    EXPECT_EQ(recorder.done().front(), epochs.batch);
    EXPECT_EQ(recorder.done().back(), epochs.images);
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

/// Operations that take memory whenever they run, which no capture allows.
class AllocatingOperation final : public cuda::Operation {
 public:
  explicit AllocatingOperation(std::shared_ptr<const cuda::Operation> operation)
      : operation_(std::move(operation)) {}
  int64_t workspace_bytes() const override { return operation_->workspace_bytes(); }
  void enqueue(cudaStream_t stream, std::span<float* const> tensors,
               void* workspace) const override {
    const cuda::DeviceBuffer<float> scratch(1, "test");
    operation_->enqueue(stream, tensors, workspace);
  }
  std::string computed_by() const override { return operation_->computed_by(); }

 private:
  std::shared_ptr<const cuda::Operation> operation_;
};

enum class Capture { allowed, refused };

/// The kernels as operations, each for itself.
class OperationPlanner final : public cuda::Planner {
 public:
  explicit OperationPlanner(Capture capture) : capture_(capture) {}
  std::shared_ptr<const cuda::Operation> plan(const cuda::OperationSpec& spec) override {
    auto operation = kernels_->plan(spec);
    if (capture_ == Capture::allowed) return operation;
    return std::make_shared<AllocatingOperation>(std::move(operation));
  }
  std::string name() const override { return "fp32"; }

 private:
  std::unique_ptr<cuda::Planner> kernels_ = cuda::make_kernel_planner();
  Capture capture_;
};

Trained train_by_operations(Capture capture, const Epochs& epochs) {
  cuda::CudaEngineOptions options;
  options.make_planner = [capture] { return std::make_unique<OperationPlanner>(capture); };
  return train(options, epochs);
}

TEST(TrainingWithoutCapture, GivesTheSameBits) {
  expect_same_bits(train_by_operations(Capture::refused, kLong),
                   train_by_operations(Capture::allowed, kLong));
}

TEST(FusedTraining, AgreesWithTheOperationsEachForItself) {
  const Trained fused = train({}, kShort);
  const Trained separate = train_by_operations(Capture::allowed, kShort);
  // Six steps from random weights: another order of sums, and LeakyReLU's kink now and then.
  EXPECT_NEAR(fused.loss, separate.loss, 1e-6);
  for (const Tensor& tensor : separate.weights.tensors()) {
    EXPECT_TRUE(all_near(fused.weights.at(tensor.name).values, tensor.values, {.absolute = 1e-4}))
        << tensor.name;
  }
}

TEST_P(TrainingModes, NothingIsLeft) {
  train(emulated(GetParam()));
  EXPECT_EQ(emulator::leaks(), "");
  for (const emulator::Report& report : emulator::reports()) ADD_FAILURE() << report.text;
}

class StopAtOnce final : public Progress {
 public:
  void update(size_t, size_t, double) override { throw Interrupted("stopped by the test"); }
};

TEST_P(TrainingModes, AnInterruptWaitsForAGraphAndWhatIsAheadOfIt) {
  const auto engine = cuda::make_cuda_engine(emulated(GetParam()));
  const auto pixels = random_images<uint8_t>(kSmall.image(), 40, /*seed=*/22);
  const auto images = engine->upload(pixels.view());
  const auto network = engine->network(kSmall, initial_weights(kSmall, 22));
  StopAtOnce stop;
  EXPECT_THROW(network->train_epoch(*images, in_order(40), 1, std::vector<double>(40, 1e-3), stop),
               Interrupted);
  // Up to seven that were ahead when the last graph of eight was launched; the first was a step.
  EXPECT_EQ(network->optimizer().step, 1 + 8);
}

INSTANTIATE_TEST_SUITE_P(Emulated, TrainingModes, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

TEST(StepsAGraph, OfALargeNetworkAreFewer) {
  const cuda::Plan mnist(conv_autoencoder(28, 28, 1));
  EXPECT_EQ(cuda::steps_a_graph(mnist, 7), 8);
  EXPECT_EQ(cuda::steps_a_graph(mnist, 32), 8);    // 1.2 GFLOP a step
  EXPECT_EQ(cuda::steps_a_graph(mnist, 512), 3);   // 19
  EXPECT_EQ(cuda::steps_a_graph(mnist, 5447), 1);  // 204
}

/// Launches of a step of the default network on `images` images, counted in its graph: of one step,
/// or all of several.
size_t launches_of_a_step(cuda::Planner& planner, int64_t images, bool several = false) {
  const cuda::Plan plan(conv_autoencoder(28, 28, 1));
  const int64_t steps = several ? 1 + cuda::steps_a_graph(plan, images) : 2;
  cuda::NetworkState state(plan);
  const cuda::Stream stream;
  const auto step = cuda::make_training_step(plan, planner, state, images, stream.get());
  cuda::DeviceBuffer<uint8_t> pixels(images * plan.image, "test");
  cuda::DeviceBuffer<uint32_t> positions(steps * images, "test");
  cuda::DeviceBuffer<float> rates(steps, "test");
  cuda::DeviceBuffer<kernels::EpochState> epoch(1, "test");
  const cuda::MappedBuffer<double> losses(steps);
  const cuda::MappedBuffer<uint64_t> steps_done(1);
  pixels.clear(stream.get());
  positions.clear(stream.get());
  rates.clear(stream.get());
  epoch.clear(stream.get());
  for (auto* buffer :
       {&state.parameters, &state.first_moment, &state.second_moment, &state.moving}) {
    buffer->clear(stream.get());
  }
  const cuda::EpochInput input{.images = {kernels::Pixels::u8, pixels.data()},
                               .positions = positions.data(),
                               .rates = rates.data(),
                               .state = epoch.data(),
                               .progress = {losses.device(), steps_done.device()},
                               .batch = images};
  EXPECT_EQ(step->launch(stream.get(), input, steps), 1);
  EXPECT_EQ(step->launch(stream.get(), input, steps - 1), steps - 1);  // a graph
  stream.synchronize();
  EXPECT_EQ(*steps_done.host(), static_cast<uint64_t>(steps));
  return several ? step->nodes_of_several() : step->nodes_of_one();
}

TEST(TrainingStepBudget, LaunchesAStep) {
  // A launch costs microseconds, and the whole step a few hundred: more launches than now are a
  // decision. (The last batch of an epoch has 7 images. The double stands for one launch an
  // operation, which cuDNN and cuBLAS may exceed.)
  const auto kernels = cuda::make_kernel_planner();
  const size_t full = launches_of_a_step(*kernels, 32);
  const size_t last = launches_of_a_step(*kernels, 7);
  OperationPlanner operations(Capture::allowed);
  const size_t separate = launches_of_a_step(operations, 32);
  const auto libraries = emulated("emulated_libraries").make_planner();
  const size_t by_libraries = launches_of_a_step(*libraries, 7);
  std::printf("launches a step: %zu of 32 images, %zu of 7; by operations %zu, by libraries %zu\n",
              full, last, separate, by_libraries);
  EXPECT_LE(full, 20u);
  EXPECT_LE(last, 20u);
  EXPECT_LE(separate, 72u);
  EXPECT_LE(by_libraries, 50u);
  // Nothing stands between the steps of a graph.
  EXPECT_EQ(launches_of_a_step(*kernels, 7, /*several=*/true), 8 * last);
}

}  // namespace
}  // namespace oddity::test
