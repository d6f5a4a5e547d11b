// What tests of a training step's kernels share (kernels/stage.h): maps with what their writers
// would have left for their normalisation, and what float64 makes of them.
#pragma once

#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "stage.h"
#include "support/near.h"

namespace oddity::kernels {

/// Blocks of rows that a map's writer is pretended to have had: uneven ones.
inline std::vector<int64_t> uneven_blocks(int64_t rows) {
  std::vector<int64_t> blocks;
  for (int64_t left = rows, size = 1; left > 0; left -= blocks.back(), size = size * 3 % 101 + 1) {
    blocks.push_back(std::min(left, size));
  }
  return blocks;
}

/// A stage's activation y [rows, channels] on the device, and all that belongs to it.
class TestMap {
 public:
  TestMap(int64_t images, const ImageShape& shape, uint32_t stream, float offset = 0)
      : rows_(images * shape.height * shape.width),
        channels_(shape.channels),
        y(random_activation(rows_, channels_, stream, offset)),
        gamma(random_values(channels_, stream + 1)),
        beta(random_values(channels_, stream + 2)),
        values(batch(images, shape, y)),
        moments(reference::moments(values)),
        device_y(y),
        device_gamma(gamma),
        device_beta(beta),
        parts(parts_of(moments_of_blocks())),
        counts(counts_of(uneven_blocks(rows_))),
        statistics(static_cast<size_t>(kStatistics * channels_)) {}

  int64_t rows() const { return rows_; }
  int64_t channels() const { return channels_; }

  NormalisedMap normalised(Normalisation normalisation) {
    return {.x = device_y.data(),
            .channels = static_cast<int>(channels_),
            .normalisation = normalisation,
            .statistics = statistics.data(),
            .moments = {parts.data(), counts.data(), static_cast<int>(counts.size()), rows_},
            .gamma = device_gamma.data(),
            .beta = device_beta.data()};
  }
  /// Statistics as a forward pass leaves them.
  void leave_statistics() { statistics.upload(expected_statistics()); }
  std::vector<float> expected_statistics() const {
    std::vector<float> all(static_cast<size_t>(kStatistics * channels_));
    for (int64_t c = 0; c < channels_; ++c) {
      const auto i = static_cast<size_t>(c);
      const double inverse = 1 / std::sqrt(moments.variance[i] + reference::kEpsilon);
      const double scale = static_cast<double>(gamma[i]) * inverse;
      const auto put = [&](Statistic which, double value) {
        all[static_cast<size_t>(which * channels_ + c)] = static_cast<float>(value);
      };
      put(kMean, moments.mean[i]);
      put(kInverseDeviation, inverse);
      put(kVariance, moments.variance[i]);
      put(kScale, scale);
      put(kShift, static_cast<double>(beta[i]) - moments.mean[i] * scale);
    }
    return all;
  }
  reference::Batch output() const {
    return reference::batch_norm(values, moments, doubles(gamma), doubles(beta));
  }

  /// The gradient of the map's output, and what float64 makes of it before LeakyReLU.
  struct Gradient {
    std::vector<float> dy;
    reference::Batch delta;
    reference::Values gamma, beta, bias;
  };
  Gradient gradient(uint32_t stream) const {
    Gradient result;
    result.dy = random_values(rows_ * channels_, stream);
    // What a common part of dy does must vanish.
    for (float& dy : result.dy) dy += 0.5f;
    reference::Batch dy = values;
    dy.values = doubles(result.dy);
    const auto gradients = reference::batch_norm_backward(values, doubles(gamma), dy);
    result.delta = reference::leaky_relu_backward(values, gradients.x);
    result.gamma = gradients.gamma;
    result.beta = gradients.beta;
    result.bias.resize(static_cast<size_t>(channels_));
    for (size_t i = 0; i < result.delta.values.size(); ++i) {
      result.bias[i % static_cast<size_t>(channels_)] += result.delta.values[i];
    }
    return result;
  }
  /// The kGradientSums sums of rows [first, first + count), [kGradientSums, channels].
  reference::Values sums(const std::vector<float>& dy, int64_t first, int64_t count) const {
    reference::Values result(static_cast<size_t>(kGradientSums * channels_));
    for (int64_t row = first; row < first + count; ++row) {
      for (int64_t c = 0; c < channels_; ++c) {
        const auto i = static_cast<size_t>(row * channels_ + c);
        const auto channel = static_cast<size_t>(c);
        const double z = (values.values[i] - moments.mean[channel]) /
                         std::sqrt(moments.variance[channel] + reference::kEpsilon);
        const auto d = static_cast<double>(dy[i]);
        const double positive = y[i] > 0 ? 1 : 0;
        const double terms[kGradientSums] = {d, d * z, positive * d, positive, positive * z};
        for (int s = 0; s < kGradientSums; ++s) {
          result[static_cast<size_t>(s * channels_ + c)] += terms[s];
        }
      }
    }
    return result;
  }
  /// The same of uneven blocks, [blocks, kGradientSums, channels].
  std::vector<float> sums_of_blocks(const std::vector<float>& dy) const {
    std::vector<float> all;
    int64_t first = 0;
    for (const int64_t count : uneven_blocks(rows_)) {
      const reference::Values block = sums(dy, first, count);
      all.insert(all.end(), block.begin(), block.end());
      first += count;
    }
    return all;
  }

 private:
  /// Half of the numbers negative and small, as LeakyReLU leaves them.
  static std::vector<float> random_activation(int64_t rows, int64_t channels, uint32_t stream,
                                              float offset) {
    auto values = random_values(rows * channels, stream);
    for (float& value : values) value = (value > 0 ? value : kLeakyReluSlope * value) + offset;
    return values;
  }
  reference::Values moments_of_blocks() const {
    reference::Values all;
    int64_t first = 0;
    for (const int64_t count : uneven_blocks(rows_)) {
      const std::vector<float> rows(y.begin() + first * channels_,
                                    y.begin() + (first + count) * channels_);
      const auto block = reference::moments(batch(count, {1, 1, channels_}, rows));
      all.insert(all.end(), block.mean.begin(), block.mean.end());
      for (const double variance : block.variance) {
        all.push_back(variance * static_cast<double>(count));
      }
      first += count;
    }
    return all;
  }
  static std::vector<float> parts_of(const reference::Values& values) {
    return {values.begin(), values.end()};
  }
  static std::vector<float> counts_of(const std::vector<int64_t>& blocks) {
    return {blocks.begin(), blocks.end()};
  }

  int64_t rows_;
  int64_t channels_;

 public:
  std::vector<float> y, gamma, beta;
  reference::Batch values;
  reference::Moments moments;
  DeviceArray<float> device_y, device_gamma, device_beta, parts, counts, statistics;
};

/// A map's gradient on the device, with the sums that its writer would have left.
class TestGradient {
 public:
  TestGradient(TestMap& map, uint32_t stream)
      : expected(map.gradient(stream)),
        dy(expected.dy),
        sums(map.sums_of_blocks(expected.dy)),
        map_(map) {
    map.leave_statistics();
  }
  MapGradient gradient() {
    return {.dy = dy.data(),
            .activation = map_.device_y.data(),
            .channels = static_cast<int>(map_.channels()),
            .rows = map_.rows(),
            .statistics = map_.statistics.data(),
            .sums = {sums.data(), static_cast<int>(uneven_blocks(map_.rows()).size())}};
  }

  const TestMap::Gradient expected;
  DeviceArray<float> dy, sums;

 private:
  TestMap& map_;
};

/// Mean and variance from the moments that a launch left.
inline reference::Moments merged(const std::vector<float>& parts, const std::vector<float>& counts,
                                 int64_t channels) {
  reference::Moments result{reference::Values(static_cast<size_t>(channels)),
                            reference::Values(static_cast<size_t>(channels))};
  double rows = 0;
  for (const float count : counts) rows += static_cast<double>(count);
  for (int64_t c = 0; c < channels; ++c) {
    const auto i = static_cast<size_t>(c);
    const auto part = [&](size_t block, int64_t which) {
      return static_cast<double>(
          parts[static_cast<size_t>((2 * static_cast<int64_t>(block) + which) * channels + c)]);
    };
    for (size_t b = 0; b < counts.size(); ++b) {
      result.mean[i] += static_cast<double>(counts[b]) * part(b, 0) / rows;
    }
    for (size_t b = 0; b < counts.size(); ++b) {
      const double offset = part(b, 0) - result.mean[i];
      result.variance[i] += (part(b, 1) + static_cast<double>(counts[b]) * offset * offset) / rows;
    }
  }
  return result;
}

/// The sums over blocks [blocks, kGradientSums, channels], added up.
inline reference::Values added_up(const std::vector<float>& parts, int64_t channels) {
  reference::Values sums(static_cast<size_t>(kGradientSums * channels));
  for (size_t i = 0; i < parts.size(); ++i) {
    sums[i % sums.size()] += static_cast<double>(parts[i]);
  }
  return sums;
}

}  // namespace oddity::kernels
