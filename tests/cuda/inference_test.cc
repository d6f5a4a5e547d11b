// Inference by fused launches and by operations each for itself: which is chosen, what it launches,
// and that both compute the same.
#include <gtest/gtest.h>

#include <cstdio>

#include "cuda/emulated_devices.h"
#include "emulator/emulator.h"
#include "engine/cuda/dry_plans.h"
#include "engine/cuda/fused_inference.h"
#include "engine/cuda/layered_inference.h"
#include "launch_recorder.h"

namespace oddity::test {
namespace {

const Architecture kSmall = conv_autoencoder(12, 20, 2, {5, 19}, 7);
const Architecture kWidest = conv_autoencoder(4, 4, 1, {kernels::kMostStageChannels}, 2);
const Architecture kWider = conv_autoencoder(4, 4, 1, {kernels::kMostStageChannels + 1}, 2);

/// What inference is made of.
struct Resident {
  explicit Resident(const Architecture& architecture) : plan(architecture), state(plan) {
    std::vector<float> parameters(static_cast<size_t>(plan.parameters));
    std::vector<float> moving(static_cast<size_t>(plan.moving));
    pack(plan, lively_weights(architecture, 51), parameters, moving);
    state.parameters.upload(parameters, stream.get());
    state.moving.upload(moving, stream.get());
    stream.synchronize();
  }

  cuda::Plan plan;
  cuda::NetworkState state;
  cuda::Stream stream;
  std::unique_ptr<cuda::Planner> planner = cuda::make_kernel_planner();
};

bool is_fused(const Architecture& architecture, cuda::Planner& planner) {
  const Resident network(architecture);
  const auto made = cuda::make_inference(network.plan, planner, network.stream.get(), 3);
  return dynamic_cast<cuda::FusedInference*>(made.get()) != nullptr;
}

TEST(FusedInferenceRule, PlannerAndChannelsDecide) {
  const auto kernels = cuda::make_kernel_planner();
  EXPECT_TRUE(is_fused(kSmall, *kernels));
  EXPECT_TRUE(is_fused(kWidest, *kernels));
  EXPECT_FALSE(is_fused(kWider, *kernels));
  const auto libraries = emulated("emulated_libraries").make_planner();
  EXPECT_FALSE(is_fused(kSmall, *libraries));
  EXPECT_NE(cuda::scoring_rule(*kernels), cuda::scoring_rule(*libraries));
}

/// What scoring a block of images launches.
std::vector<kernels::LaunchRecord> launches(cuda::Inference& inference, int64_t images) {
  const kernels::LaunchRecorder recorder;
  inference.take_images({kernels::Pixels::u8, nullptr}, nullptr, 0, images);
  inference.score(images, nullptr);
  return recorder.records();
}

TEST(FusedInferenceBudget, LaunchesABlock) {
  struct Case {
    Architecture architecture;
    size_t fused, layered;  // more is a decision
  };
  // Fused: a launch a stage, but one for the last two, one or two for the encoder's dense layer and
  // one for the decoder's; one more adds up the parts of an image of more than one region.
  for (const Case& c : {Case{conv_autoencoder(28, 28, 1), 7, 14},
                        Case{conv_autoencoder(64, 64, 3, {16, 32, 64}, 128), 10, 18},
                        Case{kSmall, 7, 14}, Case{conv_autoencoder(2, 2, 1, {1}, 1), 4, 9}}) {
    Resident network(c.architecture);
    constexpr int64_t kImages = 40;
    cuda::FusedInference fused(network.plan, network.stream.get(), kImages);
    cuda::LayeredInference layered(network.plan, *network.planner, network.stream.get(), kImages);
    for (cuda::Inference* inference : std::initializer_list<cuda::Inference*>{&fused, &layered}) {
      inference->load(network.state);
    }
    network.stream.synchronize();
    const size_t few = launches(fused, kImages).size();
    const size_t many = launches(layered, kImages).size();
    std::printf("launches a block: fused %zu, layered %zu\n", few, many);
    EXPECT_LE(few, c.fused);
    EXPECT_LE(many, c.layered);
    EXPECT_EQ(launches(fused, 1).size(), few);
    // And so many nodes has the plan that `oddity bench --plan` prints.
    EXPECT_EQ(cuda::dry_score(network.plan, kImages).nodes().size(), few);
  }
}

TEST(FusedInferenceBudget, SharedMemoryIsThatOfAnyDevice) {
  Resident network(kWidest);
  cuda::FusedInference inference(network.plan, network.stream.get(), 3);
  inference.load(network.state);
  network.stream.synchronize();
  for (const kernels::LaunchRecord& launch : launches(inference, 3)) {
    EXPECT_LE(launch.shared, size_t{27} << 10);  // beside at most 21 KiB of static memory
  }
}

struct Results {
  std::vector<float> scores, latent, reconstructions, pixel_errors;
};

/// Of images 1 … of the set, in blocks.
template <typename Pixel>
Results infer(cuda::Inference& inference, Resident& network, const TestImages<Pixel>& images,
              kernels::Pixels type) {
  const cudaStream_t stream = network.stream.get();
  inference.load(network.state);
  cuda::DeviceBuffer<Pixel> pixels(std::ssize(images.pixels), "test");
  pixels.upload(images.pixels, stream);
  const int64_t n = std::ssize(images.pixels) / network.plan.image - 1;
  cuda::DeviceBuffer<float> errors(n, "test");
  Results results;
  for (int64_t first = 0; first < n; first += inference.block_images()) {
    const int64_t count = std::min(inference.block_images(), n - first);
    const auto append = [&](std::vector<float>& all, const float* from, int64_t size) {
      all.resize(all.size() + static_cast<size_t>(count * size));
      cuda::check(cudaMemcpyAsync(all.data() + all.size() - count * size, from,
                                  static_cast<size_t>(count * size) * sizeof(float),
                                  cudaMemcpyDeviceToHost, stream));
      network.stream.synchronize();
    };
    inference.take_images({type, pixels.data()}, nullptr, 1 + first, count);
    inference.score(count, errors.data() + first);
    append(results.scores, errors.data() + first, 1);
    append(results.latent, inference.encode(count), network.plan.latent);
    append(results.reconstructions, inference.decode(count), network.plan.image);
    append(results.pixel_errors, inference.pixel_errors(count), network.plan.image);
  }
  return results;
}

template <typename Pixel>
void expect_the_same(const Architecture& architecture, kernels::Pixels type) {
  SCOPED_TRACE(to_string(architecture.image()) + ", seed 52");
  Resident network(architecture);
  const auto images = random_images<Pixel>(architecture.image(), 8, /*seed=*/52);
  cuda::FusedInference fused(network.plan, network.stream.get(), 7);
  cuda::FusedInference by_threes(network.plan, network.stream.get(), 3);
  cuda::LayeredInference layered(network.plan, *network.planner, network.stream.get(), 7);
  const Results actual = infer(fused, network, images, type);
  // Normalising on the way is the same arithmetic, and products are added in the same order, but
  // for those of the last layer and the errors of an image.
  const Results expected = infer(layered, network, images, type);
  EXPECT_EQ(actual.latent, expected.latent);
  EXPECT_TRUE(all_near(actual.reconstructions, expected.reconstructions, {.absolute = 5e-7}));
  EXPECT_TRUE(all_near(actual.pixel_errors, expected.pixel_errors, {.absolute = 1e-6}));
  EXPECT_TRUE(all_near(actual.scores, expected.scores, {.relative = 1e-6}));
  const Results parts = infer(by_threes, network, images, type);
  EXPECT_EQ(parts.latent, actual.latent);
  EXPECT_EQ(parts.reconstructions, actual.reconstructions);
  EXPECT_EQ(parts.pixel_errors, actual.pixel_errors);
  EXPECT_EQ(parts.scores, actual.scores);
}

TEST(FusedInference, SmallNetworksGiveWhatTheLayersGive) {
  expect_the_same<uint8_t>(kSmall, kernels::Pixels::u8);
  expect_the_same<uint16_t>(conv_autoencoder(2, 2, 1, {1}, 1), kernels::Pixels::u16);
  expect_the_same<float>(conv_autoencoder(8, 40, 3, {4, 12, 33}, 5), kernels::Pixels::f32);
}

TEST(FusedInference, LargeImagesGiveWhatTheLayersGive) {
  expect_the_same<uint8_t>(conv_autoencoder(72, 136, 3, {8, 16}, 6), kernels::Pixels::u8);
}

TEST(FusedInference, SmallNothingIsLeft) {
  emulator::reset();
  expect_the_same<uint8_t>(kSmall, kernels::Pixels::u8);
  EXPECT_EQ(emulator::leaks(), "");
  for (const emulator::Report& report : emulator::reports()) ADD_FAILURE() << report.text;
  emulator::reset();
}

}  // namespace
}  // namespace oddity::test
