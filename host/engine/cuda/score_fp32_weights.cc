#include "engine/cuda/score_fp32_weights.h"

#include <algorithm>
#include <iterator>

namespace oddity::cuda {
namespace {

constexpr size_t kAlignment = 64;  // in floats: tensors begin where the widest loads may

float rounded(double value) { return static_cast<float>(value); }

}  // namespace

ScoreFp32Weights::ScoreFp32Weights(const FoldedNetwork& folded) {
  using Kernel = kernels::ScoreFp32Weights;
  const auto add = [this](const float* Kernel::*pointer, const std::vector<double>& tensor) {
    parts_.push_back({pointer, values_.size()});
    std::transform(tensor.begin(), tensor.end(), std::back_inserter(values_), rounded);
    values_.resize((values_.size() + kAlignment - 1) / kAlignment * kAlignment);
  };
  std::vector<double> conv1_kernel = folded.conv1_kernel;
  for (double& weight : conv1_kernel) weight /= 255;  // of pixels as they are stored
  add(&Kernel::conv1_kernel, conv1_kernel);
  add(&Kernel::conv1_bias, folded.conv1_bias);
  add(&Kernel::conv1_scale, folded.conv1_scale);
  add(&Kernel::conv1_shift, folded.conv1_shift);
  add(&Kernel::conv2_kernel, folded.conv2_kernel);
  add(&Kernel::conv2_bias, folded.conv2_bias);
  add(&Kernel::latent_kernel, folded.latent_kernel);
  add(&Kernel::latent_bias, folded.latent_bias);
  add(&Kernel::map, folded.map);
  add(&Kernel::map_bias, folded.map_bias);
  add(&Kernel::map_scale, folded.map_scale);
  add(&Kernel::map_shift, folded.map_shift);
  add(&Kernel::transposed2_kernel, folded.transposed2_kernel);
  add(&Kernel::transposed2_bias, folded.transposed2_bias);
  add(&Kernel::transposed2_scale, folded.transposed2_scale);
  add(&Kernel::transposed2_shift, folded.transposed2_shift);
  std::transform(folded.transposed3_kernel.begin(), folded.transposed3_kernel.end(),
                 std::begin(by_value_.transposed3_kernel), rounded);
  by_value_.transposed3_bias = rounded(folded.transposed3_bias);
}

kernels::ScoreFp32Weights ScoreFp32Weights::at(const float* memory) const {
  kernels::ScoreFp32Weights weights = by_value_;
  for (const Part& part : parts_) weights.*part.pointer = memory + part.offset;
  return weights;
}

}  // namespace oddity::cuda
