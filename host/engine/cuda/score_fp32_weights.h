// The folded network as kernels/score_fp32 takes it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/cuda/folded_network.h"
#include "score_fp32.h"

namespace oddity::cuda {

/// Each number rounded to float32 once; all but the few that are passed by value in one buffer.
class ScoreFp32Weights {
 public:
  explicit ScoreFp32Weights(const FoldedNetwork& folded);

  /// What is to be copied to device memory.
  std::span<const float> values() const { return values_; }
  /// The kernel's weights where values() lie at `memory`, 256-byte aligned.
  kernels::ScoreFp32Weights at(const float* memory) const;

 private:
  struct Part {
    const float* kernels::ScoreFp32Weights::*pointer;
    size_t offset;  // in values_
  };

  std::vector<float> values_;
  std::vector<Part> parts_;
  kernels::ScoreFp32Weights by_value_{};  // its pointers are null
};

}  // namespace oddity::cuda
