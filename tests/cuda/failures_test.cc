// What can go wrong with a device: every creation of memory, streams and graphs fails once; nothing
// leaks, the message says what was wanted, and the engine goes on where it can.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "cuda/emulated_devices.h"
#include "emulator/emulator.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

const Architecture kSmall = conv_autoencoder(4, 4, 1, {3}, 2);

class CudaFailures : public testing::Test {
 protected:
  void SetUp() override { emulator::reset(); }
  void TearDown() override { emulator::reset(); }
};

/// All that a program does with an engine.
void train_and_score(const cuda::CudaEngineOptions& options) {
  const auto engine = cuda::make_cuda_engine(options);
  const auto pixels = random_images<uint8_t>(kSmall.image(), 39, /*seed=*/31);
  const auto images = engine->upload(pixels.view());
  const auto network = engine->network(kSmall, initial_weights(kSmall, 31));
  NoProgress progress;
  // A step of 4 images and one of 3 are enqueued; then there are three graphs: of eight of the
  // first, of one more, and of the last.
  for (const size_t count : {7, 39}) {
    network->train_epoch(*images, in_order(count), 4, std::vector((count + 3) / 4, 1e-3), progress);
  }
  network->evaluate(*images, in_order(5));
  const auto scores = network->score(*images, {0, 7}, progress);
  scores->select(std::vector<uint64_t>{0, 6});
  std::vector<float> codes(14);
  network->encode(*images, {0, 7}, codes);
  std::vector<float> decoded(7 * 16);
  network->decode(codes, decoded);
  network->weights();
  network->optimizer();
}

class FailingCreations : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { emulator::reset(); }
  void TearDown() override { emulator::reset(); }
};

TEST_P(FailingCreations, EachIsReportedAndLeaksNothing) {
  const cuda::CudaEngineOptions options = emulated(GetParam());
  train_and_score(options);
  const auto creations = static_cast<long>(emulator::counters().creations);
  ASSERT_GT(creations, 20);
  ASSERT_EQ(emulator::leaks(), "");
  int done_all_the_same = 0;
  for (long k = 0; k < creations; ++k) {
    SCOPED_TRACE(fmt::format("creation {} of {} fails", k, creations));
    emulator::reset();
    emulator::settings().creations_until_failure = k;
    try {
      train_and_score(options);
      ++done_all_the_same;
    } catch (const DeviceError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("memory"), Not(HasSubstr("\n"))));
    }
    EXPECT_EQ(emulator::leaks(), "");
    EXPECT_TRUE(emulator::reports().empty());
  }
  // Without a graph a step is enqueued. For each of three there are a capture and an executable
  // graph, and for the fused step, of 12 launches here, the events of the capture, one more than
  // launches, and its streams, five a step.
  EXPECT_EQ(done_all_the_same,
            GetParam() == "emulated_kernels" ? 3 * (2 + 1) + (8 + 1 + 1) * (12 + 5) : 3 * 2);
}

INSTANTIATE_TEST_SUITE_P(Emulated, FailingCreations, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

TEST_F(CudaFailures, TheEngineGoesOnAfterAFailedAllocation) {
  const auto engine = cuda::make_cuda_engine({});
  const auto pixels = random_images<uint8_t>(kSmall.image(), 7, /*seed=*/32);
  const auto images = engine->upload(pixels.view());
  const auto network = engine->network(kSmall, initial_weights(kSmall, 32));
  const std::vector<float> before = scores(*network, *images);
  NoProgress progress;
  emulator::settings().creations_until_failure = 3;
  EXPECT_THROW(network->train_epoch(*images, in_order(7), 4, std::vector{1e-3, 1e-3}, progress),
               DeviceError);
  EXPECT_EQ(network->optimizer().step, 0);
  EXPECT_EQ(scores(*network, *images), before);
  network->train_epoch(*images, in_order(7), 4, std::vector{1e-3, 1e-3}, progress);
  EXPECT_EQ(network->optimizer().step, 2);
}

TEST_F(CudaFailures, TooLittleDeviceMemorySaysHowMuch) {
  emulator::settings().total_memory = 3 << 20;
  const auto engine = cuda::make_cuda_engine({});
  const auto pixels = random_images<uint8_t>({64, 64, 1}, 1000, /*seed=*/33);
  EXPECT_THAT(
      [&] { engine->upload(pixels.view()); },
      ThrowsMessage<DeviceError>(AllOf(HasSubstr("the images"), HasSubstr("3.9 MiB"),
                                       HasSubstr("of 3.0 MiB"), HasSubstr("--device cpu"))));
  // Enough for the images, not for training.
  const auto few = random_images<uint8_t>({64, 64, 1}, 10, /*seed=*/33);
  const auto images = engine->upload(few.view());
  const Architecture architecture = conv_autoencoder(64, 64, 1, {8}, 4);
  const auto network = engine->network(architecture, initial_weights(architecture, 1));
  NoProgress progress;
  EXPECT_THAT(
      [&] { network->train_epoch(*images, in_order(10), 10, std::vector{1e-3}, progress); },
      ThrowsMessage<DeviceError>(AllOf(HasSubstr("not enough device memory"), HasSubstr("batch"))));
}

TEST_F(CudaFailures, DevicesThatCannotBeUsedSayWhy) {
  const auto refused = [](const std::string& reason, int ordinal = 0) {
    SCOPED_TRACE(reason);
    EXPECT_THAT(cuda::why_not_usable(ordinal), HasSubstr(reason));
    EXPECT_THAT([&] { cuda::make_cuda_engine({.ordinal = ordinal}); },
                ThrowsMessage<DeviceError>(HasSubstr(reason)));
    EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << "the refusal is left for a later check";
  };
  EXPECT_EQ(cuda::why_not_usable(0), "");
  refused("there is 1 GPU, counted from 0", 1);
  emulator::settings().device_count = 0;
  refused("the driver finds no GPU");
  emulator::settings().device_count = 1;
  emulator::settings().compute_major = 7;
  emulator::settings().compute_minor = 0;
  refused("compute capability 7.0, 7.5 or newer");
  emulator::settings().compute_minor = 5;
  EXPECT_EQ(cuda::why_not_usable(0), "");
  emulator::settings().device_count_error = cudaErrorInsufficientDriver;
  emulator::settings().driver_version = 11080;
  refused("the driver is for CUDA 11.8, 13.0 is needed: update the driver");
  emulator::settings().driver_version = 0;
  refused("no NVIDIA driver found");
  emulator::settings().device_count_error = cudaErrorNoDevice;
  refused("the driver finds no GPU");
}

TEST_F(CudaFailures, WhatTheEngineSaysOfItsDevice) {
  const DeviceInfo info = cuda::make_cuda_engine({})->info();
  EXPECT_EQ(info.name, "cuda:0");
  EXPECT_THAT(info.details, AllOf(HasSubstr("sm_90"), HasSubstr("8 GiB"), HasSubstr("fp32")));
}

TEST_F(CudaFailures, ImagesOfAnotherEngineAreRefused) {
  const auto engine = cuda::make_cuda_engine({});
  const auto other = cuda::make_cuda_engine({});
  const auto cpu = make_engine("cpu");
  const auto pixels = random_images<uint8_t>(kSmall.image(), 7, /*seed=*/36);
  const auto network = engine->network(kSmall, initial_weights(kSmall, 36));
  for (Engine* const uploader : {other.get(), cpu.get()}) {
    const auto images = uploader->upload(pixels.view());
    EXPECT_THAT([&] { scores(*network, *images); },
                ThrowsMessage<Error>(HasSubstr("another engine")));
  }
}

TEST_F(CudaFailures, ResultsOutliveTheirEngine) {
  const auto pixels = random_images<uint8_t>(kSmall.image(), 7, /*seed=*/34);
  std::unique_ptr<Images> images;
  std::unique_ptr<Network> network;
  {
    const auto engine = cuda::make_cuda_engine({});
    images = engine->upload(pixels.view());
    network = engine->network(kSmall, initial_weights(kSmall, 34));
  }
  EXPECT_EQ(scores(*network, *images).size(), 7u);
  images.reset();
  network.reset();
  EXPECT_EQ(emulator::leaks(), "");
}

TEST_F(CudaFailures, ScoresThatAreNoNumbersNameTheirImage) {
  const auto engine = cuda::make_cuda_engine({});
  const auto pixels = random_images<uint8_t>(kSmall.image(), 7, /*seed=*/35);
  const auto images = engine->upload(pixels.view());
  Weights weights = initial_weights(kSmall, 35);
  // Finite, but the square of its product is not: every reconstruction is 0 or 1, or inf − inf.
  for (Tensor& tensor : weights.tensors()) {
    for (float& value : tensor.values) value = 3e38f;
  }
  const auto network = engine->network(kSmall, weights);
  NoProgress progress;
  const auto scores = network->score(*images, {0, 7}, progress);
  std::vector<float> values(7);
  scores->download(values);
  const auto nan =
      std::find_if(values.begin(), values.end(), [](float value) { return std::isnan(value); });
  ASSERT_NE(nan, values.end());
  EXPECT_THAT([&] { scores->select(std::vector<uint64_t>{3}); },
              ThrowsMessage<Error>(HasSubstr(fmt::format("image {} ", nan - values.begin()))));
}

}  // namespace
}  // namespace oddity::test
