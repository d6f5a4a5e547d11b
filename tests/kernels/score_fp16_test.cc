// The fp16 scorer with random weights: that its plans agree, and an image's score depends on the
// image alone. Whether the score is right, the trained ones tell (tests/cuda).
#include "score_fp16.h"

#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/test_images.h"

namespace oddity::kernels {
namespace {

/// Weights in device memory that keep activations around 1.
class RandomWeights {
 public:
  RandomWeights() {
    tiles(&ScoreFp16Weights::conv1, 2, 0.02);  // of pixels up to 255
    numbers(&ScoreFp16Weights::conv1_bias, 32);
    numbers(&ScoreFp16Weights::conv1_scale, 32);
    numbers(&ScoreFp16Weights::conv1_shift, 32);
    tiles(&ScoreFp16Weights::conv2, 9 * 2 * 4, 0.1);
    numbers(&ScoreFp16Weights::conv2_bias, 64);
    tiles(&ScoreFp16Weights::dense1, 14 * 14, 0.03);
    numbers(&ScoreFp16Weights::dense1_bias, 16);
    tiles(&ScoreFp16Weights::map, 14 * 14 * 4, 0.4);
    numbers(&ScoreFp16Weights::map_bias, 14 * 14 * 64);
    numbers(&ScoreFp16Weights::map_scale, 64);
    numbers(&ScoreFp16Weights::map_shift, 64);
    tiles(&ScoreFp16Weights::transposed2, 9 * 4 * 2, 0.1);
    numbers(&ScoreFp16Weights::transposed2_bias, 32);
    tiles(&ScoreFp16Weights::transposed3, 4 * 2, 0.1);
    numbers(&ScoreFp16Weights::transposed3_patch, 16);
  }

  ScoreFp16Weights on_device{};

 private:
  void tiles(const TileWords* ScoreFp16Weights::*part, size_t count, double magnitude) {
    const std::vector<float> values = random(count * kWords * 2);
    std::vector<uint32_t> words;
    for (size_t i = 0; i < values.size(); i += 2) {
      const auto half = [&](float value) -> uint32_t {
        return __half_as_ushort(__double2half(magnitude * static_cast<double>(value)));
      };
      words.push_back(half(values[i]) | half(values[i + 1]) << 16);
    }
    words_.push_back(std::make_unique<DeviceArray<uint32_t>>(words));
    on_device.*part = reinterpret_cast<const TileWords*>(words_.back()->data());
  }
  void numbers(const float* ScoreFp16Weights::*part, size_t count) {
    numbers_.push_back(std::make_unique<DeviceArray<float>>(random(count)));
    on_device.*part = numbers_.back()->data();
  }
  std::vector<float> random(size_t count) {
    return random_values(static_cast<int64_t>(count), stream_++);
  }

  static constexpr size_t kWords = 32 * sizeof(TileWords) / sizeof(uint32_t);  // of a tile
  std::vector<std::unique_ptr<DeviceArray<uint32_t>>> words_;
  std::vector<std::unique_ptr<DeviceArray<float>>> numbers_;
  uint32_t stream_ = 0;
};

/// Those for which this device has the shared memory.
std::vector<ScorePlan> plans() {
  int shared = 0;
  check(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  std::vector<ScorePlan> fitting;
  for (const ScorePlan plan : kScorePlans) {
    if (score_fp16_shared(plan) <= static_cast<size_t>(shared)) fitting.push_back(plan);
  }
  return fitting;
}

class ScoreFp16Kernel : public testing::Test {
 protected:
  ScoreFp16Kernel() : trace_(__FILE__, __LINE__, "seed " + std::to_string(kSeed)) {}

  std::vector<float> score(ScorePlan plan, int64_t blocks, const uint32_t* positions, int64_t first,
                           int64_t count) const {
    DeviceArray<float> scores(static_cast<size_t>(count));
    score_fp16(nullptr, plan, blocks, weights_.on_device, images_.data(), positions, first, count,
               scores.data());
    return scores.download();
  }

 private:
  const testing::ScopedTrace trace_;
  const RandomWeights weights_;
  const DeviceArray<uint8_t> images_{test::random_images<uint8_t>({28, 28, 1}, 18, kSeed).pixels};
};

TEST_F(ScoreFp16Kernel, BitsOfAnImageDependOnNothingElse) {
  // Two blocks of eight warps and an image; a block may have several rounds, the last not full.
  const std::vector<float> all = score(plans().back(), 3, nullptr, 0, 17);
  EXPECT_TRUE(std::all_of(all.begin(), all.end(), [](float s) { return s > 0 && s < 1; }));
  for (const ScorePlan plan : plans()) {
    SCOPED_TRACE(static_cast<int>(plan));
    EXPECT_EQ(score(plan, 1, nullptr, 0, 17), all);
    for (const auto& [first, count] : {std::pair{16, 1}, {3, 9}}) {
      EXPECT_EQ(score(plan, 2, nullptr, first, count),
                std::vector<float>(all.begin() + first, all.begin() + first + count));
    }
  }
}

TEST_F(ScoreFp16Kernel, PositionsChooseImages) {
  const ScorePlan plan = plans().back();
  const std::vector<float> all = score(plan, 2, nullptr, 0, 17);
  const std::vector<uint32_t> chosen = {3, 16, 0, 5, 5, 15};
  const DeviceArray<uint32_t> positions(chosen);
  const std::vector<float> scores = score(plan, 2, positions.data(), 1, 5);
  for (size_t i = 0; i < scores.size(); ++i) EXPECT_EQ(scores[i], all[chosen[i + 1]]) << i;
}

}  // namespace
}  // namespace oddity::kernels
