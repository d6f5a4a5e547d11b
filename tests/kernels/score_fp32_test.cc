// The fused scorer with random weights; the trained ones are in tests/cuda.
#include "score_fp32.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/near.h"
#include "support/test_images.h"

namespace oddity::kernels {
namespace {

using reference::Batch;
using reference::Values;
using Pointer = const float* ScoreFp32Weights::*;

/// A folded network in host and device memory, whose activations are numbers around 1.
class RandomNetwork {
 public:
  RandomNetwork() {
    add_kernel(&ScoreFp32Weights::conv1_kernel, 9, 32);
    for (float& weight : tensors_.back().values) weight /= 255;
    add_normalization(&ScoreFp32Weights::conv1_bias, &ScoreFp32Weights::conv1_scale,
                      &ScoreFp32Weights::conv1_shift, 32);
    add_kernel(&ScoreFp32Weights::conv2_kernel, 9 * 32, 64);
    add(&ScoreFp32Weights::conv2_bias, 64, 0.3);
    add_kernel(&ScoreFp32Weights::latent_kernel, 3136, 16);
    add(&ScoreFp32Weights::latent_bias, 16, 0.3);
    add_kernel(&ScoreFp32Weights::map, 16, 12544);
    add(&ScoreFp32Weights::map_bias, 12544, 0.3);
    add(&ScoreFp32Weights::map_scale, 64, 0.5, 1);
    add(&ScoreFp32Weights::map_shift, 64, 0.3);
    add_kernel(&ScoreFp32Weights::transposed2_kernel, 9 * 64, 32);
    add_normalization(&ScoreFp32Weights::transposed2_bias, &ScoreFp32Weights::transposed2_scale,
                      &ScoreFp32Weights::transposed2_shift, 32);
    add(nullptr, 9 * 32, 0.1);
    std::copy_n(tensors_.back().values.begin(), 9 * 32, on_device_.transposed3_kernel);
    on_device_.transposed3_bias = 0.25f;
    for (Tensor& tensor : tensors_) {
      if (tensor.pointer == nullptr) continue;
      memory_.push_back(std::make_unique<DeviceArray<float>>(tensor.values));
      on_device_.*tensor.pointer = memory_.back()->data();
    }
  }

  const ScoreFp32Weights& on_device() const { return on_device_; }

  /// Plain layers in float64.
  Values scores(const test::TestImages<uint8_t>& images) const {
    Batch x(std::ssize(images.pixels) / 784, images.shape);
    x.values.assign(images.pixels.begin(), images.pixels.end());
    Batch map = normalized(
        activated_convolution(x, &ScoreFp32Weights::conv1_kernel, &ScoreFp32Weights::conv1_bias),
        &ScoreFp32Weights::conv1_scale, &ScoreFp32Weights::conv1_shift);
    map =
        activated_convolution(map, &ScoreFp32Weights::conv2_kernel, &ScoreFp32Weights::conv2_bias);
    const Batch latent = reference::dense(reference::reshape(map, {1, 1, 3136}),
                                          values(&ScoreFp32Weights::latent_kernel),
                                          values(&ScoreFp32Weights::latent_bias));
    map = reference::reshape(reference::dense(latent, turned(&ScoreFp32Weights::map, 1, 12544),
                                              values(&ScoreFp32Weights::map_bias)),
                             {14, 14, 64});
    map = normalized(reference::leaky_relu(map), &ScoreFp32Weights::map_scale,
                     &ScoreFp32Weights::map_shift);
    map = reference::conv2d_transpose(map, turned(&ScoreFp32Weights::transposed2_kernel, 9, 64),
                                      values(&ScoreFp32Weights::transposed2_bias), 2);
    map = normalized(reference::leaky_relu(map), &ScoreFp32Weights::transposed2_scale,
                     &ScoreFp32Weights::transposed2_shift);
    const Batch logits = reference::conv2d_transpose(
        map, values(nullptr), {static_cast<double>(on_device_.transposed3_bias)}, 1);
    for (double& pixel : x.values) pixel /= 255;
    return reference::mean_squared_errors(x, reference::sigmoid(logits));
  }

 private:
  struct Tensor {
    Pointer pointer;  // null: the last kernel
    std::vector<float> values;
  };

  /// Numbers within `magnitude` of `offset`.
  void add(Pointer pointer, int64_t size, double magnitude, double offset = 0) {
    std::vector<float> tensor = random_values(size, static_cast<uint32_t>(tensors_.size()));
    for (float& value : tensor) {
      value = static_cast<float>(offset + magnitude * static_cast<double>(value));
    }
    tensors_.push_back({pointer, std::move(tensor)});
  }
  void add_kernel(Pointer pointer, int64_t inputs, int64_t outputs) {
    add(pointer, inputs * outputs, std::sqrt(3 / static_cast<double>(inputs)));
  }
  void add_normalization(Pointer bias, Pointer scale, Pointer shift, int64_t channels) {
    add(bias, channels, 0.3);
    add(scale, channels, 0.5, 1);
    add(shift, channels, 0.3);
  }

  Values values(Pointer pointer) const {
    const auto tensor =
        std::find_if(tensors_.begin(), tensors_.end(),
                     [&](const Tensor& candidate) { return candidate.pointer == pointer; });
    return doubles(tensor->values);
  }
  /// [matrices, rows, columns] → [matrices, columns, rows].
  Values turned(Pointer pointer, size_t matrices, size_t rows) const {
    const Values from = values(pointer);
    const size_t columns = from.size() / matrices / rows;
    Values to(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
      const size_t matrix = i / (rows * columns), row = i / columns % rows, column = i % columns;
      to[(matrix * columns + column) * rows + row] = from[i];
    }
    return to;
  }
  Batch activated_convolution(const Batch& x, Pointer kernel, Pointer bias) const {
    return reference::leaky_relu(reference::conv2d(x, values(kernel), values(bias), 2));
  }
  Batch normalized(Batch map, Pointer scale, Pointer shift) const {
    const Values factors = values(scale), addends = values(shift);
    for (size_t i = 0; i < map.values.size(); ++i) {
      map.values[i] = map.values[i] * factors[i % factors.size()] + addends[i % addends.size()];
    }
    return map;
  }

  std::vector<Tensor> tensors_;
  std::vector<std::unique_ptr<DeviceArray<float>>> memory_;
  ScoreFp32Weights on_device_{};
};

class ScoreFp32Kernel : public testing::Test {
 protected:
  ScoreFp32Kernel() : trace_(__FILE__, __LINE__, "seed " + std::to_string(kSeed)) {
    std::fill_n(pixels.pixels.begin(), 784, uint8_t{0});
    std::fill_n(pixels.pixels.begin() + 784, 784, uint8_t{255});
  }

  std::vector<float> score(const uint32_t* positions, int64_t first, int64_t count) const {
    const DeviceArray<uint8_t> images(pixels.pixels);
    DeviceArray<float> scores(static_cast<size_t>(count));
    for (int i = 0; i < 2; ++i) {
      score_fp32(nullptr, network.on_device(), images.data(), positions, first, count,
                 scores.data());
    }
    return scores.download();
  }

  const RandomNetwork network;
  // A black one, a white one, 15 random ones: two full blocks and an image.
  test::TestImages<uint8_t> pixels = test::random_images<uint8_t>({28, 28, 1}, 17, kSeed);

 private:
  const testing::ScopedTrace trace_;
};

// Means of 784 squares, all of them above 0, whose roundings are independent: 1.4e-7 was measured.
// The device's expf is up to two units off, which may double it.
TEST_F(ScoreFp32Kernel, IsTheReferences) {
  EXPECT_TRUE(test::all_near(score(nullptr, 0, 17), network.scores(pixels), {.relative = 1e-6}));
}

TEST_F(ScoreFp32Kernel, BitsOfAnImageDoNotDependOnTheOthers) {
  const std::vector<float> all = score(nullptr, 0, 17);
  for (const auto& [first, count] : {std::pair{16, 1}, {10, 7}, {4, 8}, {3, 9}}) {
    SCOPED_TRACE(std::to_string(count) + " images from " + std::to_string(first));
    EXPECT_EQ(score(nullptr, first, count),
              std::vector<float>(all.begin() + first, all.begin() + first + count));
  }
}

TEST_F(ScoreFp32Kernel, PositionsChooseImages) {
  const std::vector<float> all = score(nullptr, 0, 17);
  const std::vector<uint32_t> chosen = {3, 16, 0, 5, 5, 5, 15, 1, 7, 0, 16, 9};
  const DeviceArray<uint32_t> positions(chosen);
  const std::vector<float> scores = score(positions.data(), 2, 10);
  for (size_t i = 0; i < scores.size(); ++i) EXPECT_EQ(scores[i], all[chosen[i + 2]]) << i;
}

}  // namespace
}  // namespace oddity::kernels
