// The end of the decoder in one launch: the last stage but one, the last, sigmoid, errors.
#include "decoder_tail.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/stage_case.h"
#include "support/test_images.h"

namespace oddity::kernels {
namespace {

struct Case {
  Conv2dShape stage;
  int64_t channels;  // of an image
};

// Both tiles, whole and partial, several side by side; vector and scalar paths; images of one
// region and of several, with margins down, across and both, the last ones beyond the image's end.
std::vector<Case> cases() {
  return {{{1, 2, 2, 1, 1, 2}, 1},   {{3, 6, 10, 5, 3, 2}, 3},    {{2, 28, 28, 32, 64, 2}, 1},
          {{33, 4, 4, 16, 8, 2}, 1}, {{2, 14, 12, 70, 12, 2}, 2}, {{1, 8, 6, 36, 20, 2}, 6},
          {{2, 72, 76, 4, 8, 2}, 1}, {{1, 44, 138, 3, 4, 2}, 3},  {{1, 130, 66, 12, 4, 2}, 2},
          {{2, 6, 10, 8, 4, 2}, 36}};
}

class DecoderTailTest : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Cases, DecoderTailTest, testing::ValuesIn(cases()), [](const auto& test) {
  return name(test.param.stage) + "of" + std::to_string(test.param.channels);
});

/// On random images, with what float64 makes of the same.
class Tail {
 public:
  explicit Tail(const Case& c)
      : stage_(c.stage),
        channels_(c.channels),
        last_{c.stage.images, c.stage.height, c.stage.width, c.channels, c.stage.channels, 1},
        x_(stage_.images, small_side(stage_), 0),
        w_(random_values(weight_count(stage_), 10)),
        bias_(random_values(stage_.channels, 11)),
        scale_(random_values(stage_.channels, 12)),
        shift_(random_values(stage_.channels, 13)),
        last_w_(random_values(weight_count(last_), 14)),
        last_bias_(random_values(channels_, 15)),
        stored_(test::random_images<uint8_t>(large_side(last_), static_cast<size_t>(stage_.images),
                                             kSeed)),
        device_w_(w_),
        device_bias_(bias_),
        statistics_(statistics()),
        device_last_w_(last_w_),
        device_last_bias_(last_bias_),
        pixels_(stored_.pixels),
        target(test::widen(stored_)),
        y(reconstruction()) {
    x_.leave_statistics();
  }

  /// Of `count` images from `first` on.
  std::vector<float> run(TailResult result, int64_t first, int64_t count) {
    Conv2dShape stage = stage_;
    stage.images = count;
    const int64_t image = stage.height * stage.width * channels_;
    const int64_t each =
        result == TailResult::errors ? decoder_tail_regions(stage, channels_) : image;
    DeviceArray<float> to(static_cast<size_t>(count * each));
    NormalisedMap x = x_.normalised(Normalisation::statistics);
    x.x += first * stage.small_height() * stage.small_width() * stage.filters;
    const PixelBatch images{.type = Pixels::u8, .pixels = pixels_.data() + first * image};
    for (int i = 0; i < 2; ++i) {
      decoder_tail(nullptr,
                   {.stage = stage,
                    .w = device_w_.data(),
                    .bias = device_bias_.data(),
                    .statistics = statistics_.data(),
                    .channels = static_cast<int>(channels_),
                    .last_w = device_last_w_.data(),
                    .last_bias = device_last_bias_.data()},
                   x, images, result, to.data());
    }
    return to.download();
  }

 private:
  std::vector<float> statistics() const {
    std::vector<float> all(static_cast<size_t>(kStatistics * stage_.channels));
    std::copy(scale_.begin(), scale_.end(), all.begin() + kScale * stage_.channels);
    std::copy(shift_.begin(), shift_.end(), all.begin() + kShift * stage_.channels);
    return all;
  }
  reference::Batch reconstruction() const {
    reference::Batch map = reference::leaky_relu(reference::conv2d_transpose(
        x_.output(), keras_kernel(stage_, w_), doubles(bias_), stage_.stride));
    for (size_t i = 0; i < map.values.size(); ++i) {
      const size_t channel = i % scale_.size();
      map.values[i] = map.values[i] * static_cast<double>(scale_[channel]) +
                      static_cast<double>(shift_[channel]);
    }
    // Logits of a few, where the sigmoid's slope is not yet nothing.
    return reference::sigmoid(
        reference::conv2d_transpose(map, keras_kernel(last_, last_w_), doubles(last_bias_), 1));
  }

  Conv2dShape stage_;
  int64_t channels_;
  Conv2dShape last_;
  TestMap x_;
  std::vector<float> w_, bias_, scale_, shift_, last_w_, last_bias_;
  test::TestImages<uint8_t> stored_;
  DeviceArray<float> device_w_, device_bias_, statistics_, device_last_w_, device_last_bias_;
  DeviceArray<uint8_t> pixels_;

 public:
  const reference::Batch target, y;
};

TEST_P(DecoderTailTest, IsTheReferences) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const int64_t n = GetParam().stage.images;
  Tail tail(GetParam());
  // The map's numbers reach 20 and the logits 50, where a float32's last digits are 2e-6 and 4e-6;
  // the sigmoid's slope is at most 1/4.
  const double tolerance = 1e-5;
  EXPECT_TRUE(test::all_near(tail.run(TailResult::reconstructions, 0, n), tail.y.values,
                             {.absolute = tolerance}));
  reference::Values squares = tail.y.values;
  for (size_t i = 0; i < squares.size(); ++i) {
    squares[i] = (squares[i] - tail.target.values[i]) * (squares[i] - tail.target.values[i]);
  }
  EXPECT_TRUE(test::all_near(tail.run(TailResult::squared_differences, 0, n), squares,
                             {.absolute = 2 * tolerance}));
  const auto parts = tail.run(TailResult::errors, 0, n);
  reference::Values errors(static_cast<size_t>(n));
  for (size_t i = 0; i < parts.size(); ++i) {
    errors[i % errors.size()] += static_cast<double>(parts[i]);
  }
  EXPECT_TRUE(test::all_near(errors, reference::mean_squared_errors(tail.target, tail.y),
                             {.relative = tolerance}));
}

TEST_P(DecoderTailTest, BitsOfAnImageDoNotDependOnTheOthers) {
  const int64_t n = GetParam().stage.images;
  Tail tail(GetParam());
  for (const TailResult result : {TailResult::reconstructions, TailResult::squared_differences}) {
    const auto all = tail.run(result, 0, n);
    EXPECT_EQ(tail.run(result, n - 1, 1),
              std::vector<float>(all.end() - std::ssize(all) / n, all.end()));
  }
  const auto alone = tail.run(TailResult::errors, n - 1, 1);
  const auto all = tail.run(TailResult::errors, 0, n);
  for (size_t region = 0; region < alone.size(); ++region) {
    EXPECT_EQ(alone[region], all[(region + 1) * static_cast<size_t>(n) - 1]) << region;
  }
}

}  // namespace
}  // namespace oddity::kernels
