// A map as the kernels of fused training and inference read it (stage.h), with what belongs to it:
// what the rows of selftest_stages.cc and selftest_fused.cc have in common.
#pragma once

#include <functional>
#include <vector>

#include "engine/cuda/plan.h"
#include "engine/cuda/selftest_case.h"
#include "stage.h"

namespace oddity::cuda {

using Tensors = std::vector<TestTensor>;

/// Adds a tensor to a case; returns its number.
inline size_t put(Tensors& tensors, TestTensor tensor) {
  tensors.push_back(std::move(tensor));
  return tensors.size() - 1;
}

using MapOf = std::function<kernels::NormalisedMap(Pointers)>;
using GradientOf = std::function<kernels::MapGradient(Pointers)>;

/// Where a map's gradient goes whose sums lie in a workspace, and how they become tensors.
struct GradientTarget {
  std::function<kernels::GradientOutput(Pointers, void* workspace)> output;
  TestCase::Enqueue collect;
  int64_t workspace_bytes = 0;
};

/// The output of a stage. All is random and independent of the rest, as kernels take each thing as
/// it is given, but for the statistics, which are those that the moments make.
class RandomMap {
 public:
  /// Takes the numbers of ten streams (random_numbers), from `stream` on.
  RandomMap(const Stage& stage, int64_t images, uint64_t stream);

  std::vector<double> normalised() const;
  /// The gradient of the convolution, before LeakyReLU and normalisation.
  std::vector<double> delta() const;

  // Each adds the tensors that it needs, and says what a kernel takes when it has their pointers.
  MapOf by_statistics(Tensors& tensors) const;
  /// The statistics are a result.
  MapOf by_moments(Tensors& tensors) const;
  GradientOf gradient(Tensors& tensors) const;
  /// `dx` is the gradient of the normalised map, written in so many blocks.
  GradientTarget gradient_target(const std::vector<double>& dx, int blocks, Tensors& tensors) const;

 private:
  double statistic(kernels::Statistic which, size_t i) const {
    const auto size = static_cast<size_t>(channels_);
    return static_cast<double>(statistics_[which * size + i % size]);
  }
  /// Number i of the activation before gamma and beta.
  double z(size_t i) const {
    return (static_cast<double>(activation_[i]) - statistic(kernels::kMean, i)) *
           statistic(kernels::kInverseDeviation, i);
  }

  static constexpr int kBlocks = 2;  // of rows, that moments and sums are given in

  int64_t rows_, channels_;
  std::vector<float> activation_;      // [rows, channels], half of it negative
  std::vector<float> gamma_, beta_;    // [channels]
  std::vector<float> parts_, counts_;  // Moments
  std::vector<float> statistics_;      // [kStatistics, channels]
  std::vector<float> dy_;              // the gradient of the normalised map [rows, channels]
  std::vector<float> sums_;            // its GradientParts
};

/// A map that is not normalised.
kernels::NormalisedMap as_it_is(const float* x, int64_t channels);

/// What the moments of y [·, channels] make, [kStatistics, channels].
std::vector<double> statistics_of(const std::vector<double>& y, const std::vector<float>& gamma,
                                  const std::vector<float>& beta);

/// The result of `spec`, its last operand, of the others.
std::vector<double> reference(const OperationSpec& spec, std::vector<std::vector<double>> given);

}  // namespace oddity::cuda
