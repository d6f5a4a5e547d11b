// What is odd in a batch gives no gradient.
#include "trim.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/near.h"

namespace oddity::kernels {
namespace {

struct Batch {
  int64_t images;
  int64_t size;       // of an image's gradient
  int64_t parts;      // of an image's loss
  int64_t sum_count;  // of what was added up of its gradient
};

/// A batch as a step finds it: the second of an epoch, of a set that has more images.
class TrimTest : public testing::TestWithParam<Batch> {
 protected:
  const Batch& batch() const { return GetParam(); }
  int64_t resident() const { return batch().images + 5; }

  std::vector<float> parts() const {
    std::vector<float> losses = random_values(batch().images * batch().parts, 0);
    for (float& loss : losses) loss = loss * loss;
    return losses;
  }
  std::vector<float> variations() const {
    std::vector<float> all = random_values(resident(), 1);
    for (float& variation : all) variation += 1.5f;
    return all;
  }
  /// Of both steps.
  std::vector<uint32_t> positions() const {
    std::vector<uint32_t> order;
    for (int64_t i = 0; i < 2 * batch().images; ++i) {
      order.push_back(static_cast<uint32_t>((i * 3 + 2) % resident()));
    }
    return order;
  }

  struct Trimmed {
    std::vector<float> dx, sums;
  };
  Trimmed trim(const std::vector<float>& losses, int64_t left_out) const {
    const DeviceArray<float> device_losses(losses), device_variations(variations());
    const DeviceArray<uint32_t> device_positions(positions());
    const DeviceArray<EpochState> state(std::vector<EpochState>{{1}});
    DeviceArray<float> dx(gradients()), sums(sums_of_gradients());
    trim_gradients(
        nullptr, {device_losses.data(), batch().images, batch().parts},
        {.positions = device_positions.data(), .state = state.data(), .batch = batch().images},
        device_variations.data(), left_out,
        {dx.data(), batch().size, sums.data(), batch().sum_count});
    return {dx.download(), sums.download()};
  }
  std::vector<float> gradients() const { return random_values(batch().images * batch().size, 2); }
  std::vector<float> sums_of_gradients() const {
    return random_values(batch().images * batch().sum_count, 3);
  }

  /// The images from the oddest on.
  std::vector<size_t> ranked(const std::vector<float>& losses) const {
    const auto n = static_cast<size_t>(batch().images);
    const auto count = static_cast<size_t>(batch().parts);
    std::vector<double> odd;
    for (size_t i = 0; i < n; ++i) {
      double sum = 0;
      for (size_t part = 0; part < count; ++part) {
        sum += static_cast<double>(losses[i * count + part]);
      }
      odd.push_back(sum / static_cast<double>(variations()[positions()[n + i]]));
    }
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return odd[a] > odd[b]; });
    return order;
  }

  void expect_trimmed(const Trimmed& trimmed, const std::vector<size_t>& order,
                      int64_t left_out) const {
    const auto factor = static_cast<float>(static_cast<double>(batch().images) /
                                           static_cast<double>(batch().images - left_out));
    std::vector<float> factors(order.size(), factor);
    for (int64_t k = 0; k < left_out; ++k) factors[order[static_cast<size_t>(k)]] = 0;
    const auto expect = [&](const std::vector<float>& got, std::vector<float> before) {
      const size_t each = before.size() / order.size();
      for (size_t i = 0; i < before.size(); ++i) before[i] *= factors[i / each];
      EXPECT_EQ(got, before);
    };
    expect(trimmed.dx, gradients());
    expect(trimmed.sums, sums_of_gradients());
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, TrimTest,
                         testing::Values(Batch{2, 1, 1, 0}, Batch{7, 30, 3, 2},
                                         Batch{32, 784, 4, 4}, Batch{3, 5003, 2, 1},
                                         Batch{300, 4, 1, 1}),
                         [](const auto& test) {
                           return std::to_string(test.param.images) + "x" +
                                  std::to_string(test.param.size);
                         });

// Random losses lie further apart than their sums are rounded.
TEST_P(TrimTest, TheOddestAreLeftOut) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const std::vector<float> losses = parts();
  for (const int64_t left_out : {int64_t{1}, batch().images / 2, batch().images - 1}) {
    SCOPED_TRACE(left_out);
    expect_trimmed(trim(losses, left_out), ranked(losses), left_out);
  }
}

TEST_P(TrimTest, OfEqualOnesTheEarlier) {
  const std::vector<float> losses(parts().size(), 0);
  std::vector<size_t> order(static_cast<size_t>(batch().images));
  std::iota(order.begin(), order.end(), size_t{0});
  expect_trimmed(trim(losses, 1), order, 1);
}

TEST_P(TrimTest, WhatIsNoNumberIsOddest) {
  std::vector<float> losses = parts();
  losses.back() = std::nanf("");
  std::vector<size_t> order(static_cast<size_t>(batch().images));
  order[0] = order.size() - 1;
  expect_trimmed(trim(losses, 1), order, 1);
}

}  // namespace
}  // namespace oddity::kernels
