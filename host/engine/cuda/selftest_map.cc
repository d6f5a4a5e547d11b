#include "engine/cuda/selftest_map.h"

#include <cmath>

#include "engine/cuda/reference_operation.h"
#include "slices.h"

namespace oddity::cuda {
namespace {

constexpr auto kSlope = static_cast<double>(kernels::kLeakyReluSlope);
constexpr auto kEpsilon = static_cast<double>(kernels::kBatchNormEpsilon);

/// Of every channel, from its mean and variance.
std::vector<double> make_statistics(const std::vector<double>& mean,
                                    const std::vector<double>& variance,
                                    const std::vector<float>& gamma,
                                    const std::vector<float>& beta) {
  const size_t channels = mean.size();
  std::vector<double> all(kernels::kStatistics * channels);
  for (size_t c = 0; c < channels; ++c) {
    const double inverse = 1 / std::sqrt(variance[c] + kEpsilon);
    const double scale = static_cast<double>(gamma[c]) * inverse;
    all[kernels::kMean * channels + c] = mean[c];
    all[kernels::kInverseDeviation * channels + c] = inverse;
    all[kernels::kVariance * channels + c] = variance[c];
    all[kernels::kScale * channels + c] = scale;
    all[kernels::kShift * channels + c] = static_cast<double>(beta[c]) - mean[c] * scale;
  }
  return all;
}

}  // namespace

RandomMap::RandomMap(const Stage& stage, int64_t images, uint64_t stream)
    : rows_(images * stage.out / stage.out_channels),
      channels_(stage.out_channels),
      activation_(random_numbers(rows_ * channels_, stream)),
      gamma_(random_numbers(channels_, stream + 1, 0.5f, 1.5f)),
      beta_(random_numbers(channels_, stream + 2)),
      dy_(random_numbers(rows_ * channels_, stream + 3)) {
  const std::vector<float> means = random_numbers(kBlocks * channels_, stream + 4);
  const std::vector<float> variances = random_numbers(kBlocks * channels_, stream + 5, 0.5f, 1.5f);
  const auto size = static_cast<size_t>(channels_);
  const auto rows = static_cast<double>(rows_);
  std::vector<double> mean(size), variance(size);
  for (size_t block = 0; block < kBlocks; ++block) {
    const int64_t count = block == 0 ? rows_ / 3 : rows_ - rows_ / 3;
    counts_.push_back(static_cast<float>(count));
    const auto first = static_cast<ptrdiff_t>(block * size);
    parts_.insert(parts_.end(), means.begin() + first, means.begin() + first + channels_);
    for (size_t c = 0; c < size; ++c) {
      parts_.push_back(variances[block * size + c] * counts_.back());
      mean[c] += static_cast<double>(count) / rows * static_cast<double>(means[block * size + c]);
    }
  }
  for (size_t block = 0; block < kBlocks; ++block) {
    for (size_t c = 0; c < size; ++c) {
      const double offset = static_cast<double>(means[block * size + c]) - mean[c];
      variance[c] += (static_cast<double>(parts_[(2 * block + 1) * size + c]) +
                      static_cast<double>(counts_[block]) * offset * offset) /
                     rows;
    }
  }
  const std::vector<double> made = make_statistics(mean, variance, gamma_, beta_);
  statistics_.assign(made.begin(), made.end());
  for (const float slope :
       random_numbers(kBlocks * kernels::kGradientSums * channels_, stream + 6, -0.1f, 0.1f)) {
    sums_.push_back(slope * static_cast<float>(rows_));
  }
}

std::vector<double> RandomMap::normalised() const {
  std::vector<double> y = widen(activation_);
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] = y[i] * statistic(kernels::kScale, i) + statistic(kernels::kShift, i);
  }
  return y;
}

std::vector<double> RandomMap::delta() const {
  const auto size = static_cast<size_t>(channels_);
  const auto mean_of = [&](kernels::GradientSum which, size_t c) {
    double sum = 0;
    for (size_t block = 0; block < kBlocks; ++block) {
      sum += static_cast<double>(sums_[(block * kernels::kGradientSums + which) * size + c]);
    }
    return sum / static_cast<double>(rows_);
  };
  std::vector<double> dx = widen(dy_);
  for (size_t i = 0; i < dx.size(); ++i) {
    dx[i] -= mean_of(kernels::kDy, i % size) + z(i) * mean_of(kernels::kDyZ, i % size);
    dx[i] *= statistic(kernels::kScale, i);
    if (activation_[i] <= 0) dx[i] *= kSlope;
  }
  return dx;
}

MapOf RandomMap::by_statistics(Tensors& tensors) const {
  const size_t x = put(tensors, input(activation_));
  const size_t known = put(tensors, input(statistics_));
  return [=, channels = channels_](Pointers t) {
    kernels::NormalisedMap map = as_it_is(t[x], channels);
    map.normalisation = kernels::Normalisation::statistics;
    map.statistics = t[known];
    return map;
  };
}

MapOf RandomMap::by_moments(Tensors& tensors) const {
  const size_t x = put(tensors, input(activation_));
  const size_t parts = put(tensors, input(parts_));
  const size_t counts = put(tensors, input(counts_));
  const size_t gamma = put(tensors, input(gamma_));
  const size_t beta = put(tensors, input(beta_));
  const size_t left = put(tensors, output(widen(statistics_)));
  return [=, rows = rows_, channels = channels_](Pointers t) -> kernels::NormalisedMap {
    return {.x = t[x],
            .channels = static_cast<int>(channels),
            .normalisation = kernels::Normalisation::moments,
            .statistics = t[left],
            .moments = {t[parts], t[counts], kBlocks, rows},
            .gamma = t[gamma],
            .beta = t[beta]};
  };
}

GradientOf RandomMap::gradient(Tensors& tensors) const {
  const size_t dy = put(tensors, input(dy_));
  const size_t activation = put(tensors, input(activation_));
  const size_t known = put(tensors, input(statistics_));
  const size_t sums = put(tensors, input(sums_));
  return [=, rows = rows_, channels = channels_](Pointers t) -> kernels::MapGradient {
    return {.dy = t[dy],
            .activation = t[activation],
            .channels = static_cast<int>(channels),
            .rows = rows,
            .statistics = t[known],
            .sums = {t[sums], kBlocks}};
  };
}

GradientTarget RandomMap::gradient_target(const std::vector<double>& dx, int blocks,
                                          Tensors& tensors) const {
  const auto size = static_cast<size_t>(channels_);
  std::vector<std::vector<double>> sums(kernels::kGradientSums, std::vector<double>(size));
  for (size_t i = 0; i < dx.size(); ++i) {
    const size_t c = i % size;
    sums[kernels::kDy][c] += dx[i];
    sums[kernels::kDyZ][c] += dx[i] * z(i);
    if (activation_[i] <= 0) continue;
    sums[kernels::kPositiveDy][c] += dx[i];
    sums[kernels::kPositiveCount][c] += 1;
    sums[kernels::kPositiveZ][c] += z(i);
  }
  const size_t activation = put(tensors, input(activation_));
  const size_t known = put(tensors, input(statistics_));
  const size_t result = put(tensors, output(dx));
  // A tensor each: the counts are much larger than the rest.
  const size_t first = tensors.size();
  for (std::vector<double>& sum : sums) put(tensors, output(std::move(sum)));
  const int64_t of_block = kernels::kGradientSums * channels_;
  return {.output = [=](Pointers t, void* workspace) -> kernels::GradientOutput {
            return {.dx = t[result],
                    .activation = t[activation],
                    .statistics = t[known],
                    .sums = {static_cast<float*>(workspace), blocks}};
          },
          .collect =
              [=](cudaStream_t stream, Pointers t, void* workspace) {
                auto* const parts = static_cast<float*>(workspace);
                float* const added = parts + blocks * of_block;
                kernels::sum_slices(stream, blocks, 1, of_block, parts, nullptr, added);
                for (size_t sum = 0; sum < kernels::kGradientSums; ++sum) {
                  check(cudaMemcpyAsync(t[first + sum], added + sum * size, size * sizeof(float),
                                        cudaMemcpyDeviceToDevice, stream));
                }
              },
          .workspace_bytes = bytes((blocks + 1) * of_block)};
}

kernels::NormalisedMap as_it_is(const float* x, int64_t channels) {
  kernels::NormalisedMap map;
  map.x = x;
  map.channels = static_cast<int>(channels);
  return map;
}

std::vector<double> statistics_of(const std::vector<double>& y, const std::vector<float>& gamma,
                                  const std::vector<float>& beta) {
  const size_t channels = gamma.size();
  const size_t count = y.size() / channels;
  const auto rows = static_cast<double>(count);
  std::vector<double> mean(channels), variance(channels);
  for (size_t i = 0; i < y.size(); ++i) mean[i % channels] += y[i] / rows;
  for (size_t i = 0; i < y.size(); ++i) {
    const double offset = y[i] - mean[i % channels];
    variance[i % channels] += offset * offset / rows;
  }
  return make_statistics(mean, variance, gamma, beta);
}

std::vector<double> reference(const OperationSpec& spec, std::vector<std::vector<double>> given) {
  given.emplace_back(static_cast<size_t>(operands(spec).back().size));
  execute_reference(spec, given);
  return std::move(given.back());
}

}  // namespace oddity::cuda
