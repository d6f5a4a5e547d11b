// Winograd's filtering against the passes it stands in for: the same sums in another order.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "engine/cpu/buffer.h"
#include "engine/cpu/plan.h"
#include "engine/cpu/winograd.h"
#include "engine/instruction_sets.h"
#include "model/architecture.h"

namespace oddity::cpu {
namespace {

constexpr uint64_t kSeed = 2026;

struct Case {
  test::InstructionSet set;
  Architecture architecture;
};

// Maps of one tile and of many, of 2, 3, 4, 5, 6, 7 pixels and more, not square, channels that fill
// vectors and that do not, and maps that go through the products in parts.
std::vector<Case> cases() {
  const std::vector<Architecture> architectures = {
      conv_autoencoder(28, 28, 1), conv_autoencoder(8, 8, 16, {32, 33}),
      conv_autoencoder(24, 16, 3, {33, 48}, 5), conv_autoencoder(16, 120, 1, {40, 35}, 2),
      conv_autoencoder(12, 20, 1, {32, 40})};
  std::vector<Case> all;
  for (const test::InstructionSet& set : test::instruction_sets()) {
    for (const Architecture& architecture : architectures) all.push_back({set, architecture});
  }
  return all;
}

class WinogradTest : public testing::TestWithParam<Case> {
 protected:
  /// `images` bordered images: random inside, zero outside and in the channels that pad.
  Buffer random_images(const Grid& grid, int64_t channels, int64_t images) {
    Buffer buffer(images * grid.size());
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t y = 0; y < grid.height; ++y) {
        for (int64_t x = 0; x < grid.width; ++x) {
          float* pixel =
              buffer.get() + n * grid.size() + grid.origin() + y * grid.row() + x * grid.channels;
          for (int64_t c = 0; c < channels; ++c) pixel[c] = signed_uniform();
        }
      }
    }
    return buffer;
  }

  /// Packed weights or biases; what pads is random too and must not matter to what is compared.
  Buffer random_numbers(int64_t count) {
    Buffer buffer(count);
    for (int64_t i = 0; i < count; ++i) buffer.get()[i] = signed_uniform();
    return buffer;
  }

  float signed_uniform() { return 2 * random_.uniform() - 1; }

  void expect_near(const Buffer& actual, const Buffer& expected, int64_t count, int64_t terms,
                   const std::string& what) const {
    // As for the kernels: sums of `terms` products of numbers in [−1, 1], each product of sums of
    // up to four of them; 4 standard deviations of their rounding.
    const double tolerance = 16 * static_cast<double>(terms) * 0x1p-24 + 1e-6;
    for (int64_t i = 0; i < count; ++i) {
      ASSERT_NEAR(static_cast<double>(actual.get()[i]), static_cast<double>(expected.get()[i]),
                  tolerance)
          << what << " at " << i;
    }
  }

  void compare_convolutions(const Plan& plan, Direction direction) {
    for (const Stage& stage : plan.stages) {
      if (!stage.winograd) continue;
      const bool forward = direction == Direction::forward;
      const Grid in = forward ? stage.in : stage.delta;
      const Grid out = forward ? stage.next : stage.in_without_border();
      const int64_t images = stage.group;
      const int64_t in_channels = forward ? stage.in_channels : stage.out_channels;
      const int64_t vectors = forward ? stage.out_vectors : stage.data_gradient_vectors;
      const Buffer x = random_images(in, in_channels, images);
      const Buffer weights = random_numbers(9 * in_channels * vectors * plan.lanes);
      const Buffer bias = random_numbers(vectors * plan.lanes);
      const Buffer scale = random_numbers(vectors * plan.lanes);
      const Buffer shift = random_numbers(vectors * plan.lanes);
      Buffer expected(images * out.size()), actual(images * out.size());

      ConvOperands o;
      o.in = x.get();
      o.in_image = in.size();
      o.out_image = out.size();
      o.images = images;
      o.in_channels = in_channels;
      o.out_vectors = vectors;
      o.bias = bias.get();
      o.scale = scale.get();
      o.shift = shift.get();
      o.slope = 0.2f;

      o.out = expected.get();
      o.weights = weights.get();
      o.block_inputs = 9 * in_channels;
      for (const ConvPass& pass : forward ? stage.inference : stage.data_gradient) {
        kernels_.conv(pass, o);
      }

      Buffer matrices(winograd_matrices(kernels_, stage, direction));
      winograd_weights(kernels_, stage, direction, weights.get(), matrices.get());
      o.out = actual.get();
      o.weights = matrices.get();
      o.block_inputs = winograd_inputs(in_channels);
      WinogradScratch scratch(plan);
      winograd_conv(kernels_, forward ? stage.kind : stage.turned_kind(), in, out, o, scratch);
      expect_near(actual, expected, images * out.size(), 9 * in_channels, stage.name);
    }
  }

  const Kernels& kernels_ = kernels(GetParam().set.simd);
  Philox random_{kSeed, 3};
};

TEST_P(WinogradTest, ThereAreStagesItFits) {
  const Plan plan(GetParam().architecture, kernels_.lanes);
  EXPECT_TRUE(std::any_of(plan.stages.begin(), plan.stages.end(),
                          [](const Stage& stage) { return stage.winograd; }));
}

TEST_P(WinogradTest, ConvolvesAsTapsDo) {
  compare_convolutions(Plan(GetParam().architecture, kernels_.lanes), Direction::forward);
}

TEST_P(WinogradTest, ConvolvesBackAsTapsDo) {
  compare_convolutions(Plan(GetParam().architecture, kernels_.lanes), Direction::back);
}

TEST_P(WinogradTest, GradientsAreThoseOfTaps) {
  const Plan plan(GetParam().architecture, kernels_.lanes);
  for (const Stage& stage : plan.stages) {
    if (!stage.winograd) continue;
    const int64_t images = 1 + stage.group;
    const Buffer x = random_images(stage.in, stage.in_channels, images);
    const Buffer g = random_images(stage.delta, stage.out_channels, images);
    Buffer expected(stage.kernel_size), actual(stage.kernel_size);
    WinogradScratch scratch(plan);
    std::fill_n(actual.get(), stage.kernel_size, std::nanf(""));  // must be written over
    for (int64_t n = 0; n < images; ++n) {
      const Begin begin = n == 0 ? Begin::from_zero : Begin::from_output;
      kernels_.weight_gradient(stage.weight_gradient, x.get() + n * stage.in.size(),
                               g.get() + n * stage.delta.size(), stage.in_channels,
                               stage.out_vectors, expected.get(), 9 * stage.in_channels, 0, begin);
    }
    winograd_gradient(kernels_, stage, x.get(), g.get(), 1, Begin::from_zero, actual.get(),
                      scratch);
    winograd_gradient(kernels_, stage, x.get() + stage.in.size(), g.get() + stage.delta.size(),
                      images - 1, Begin::from_output, actual.get(), scratch);
    expect_near(actual, expected, stage.kernel_size, images * stage.in.pixels(), stage.name);
  }
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return info.param.set.name + std::to_string(info.index % 5);
}

INSTANTIATE_TEST_SUITE_P(Shapes, WinogradTest, testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace oddity::cpu
