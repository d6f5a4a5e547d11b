// The weights of the fp16 scorer: rounded, and laid out as its warps read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/cuda/folded_network.h"
#include "score_fp16.h"

namespace oddity::cuda {

class ScoreFp16Weights {
 public:
  /// None where a weight is not finite in fp16: not a number, or 65,520 and more.
  static std::optional<ScoreFp16Weights> pack(const FoldedNetwork& network);

  /// To be copied to a 16-byte aligned place in device memory.
  const std::vector<uint32_t>& words() const { return words_; }
  /// For the kernel, where the words have been copied to.
  kernels::ScoreFp16Weights at(const uint32_t* copied) const;

 private:
  template <typename Part>
  struct Placed {
    const Part* kernels::ScoreFp16Weights::*pointer;
    size_t offset;  // in words_
  };

  ScoreFp16Weights() = default;
  void begin(const kernels::TileWords* kernels::ScoreFp16Weights::*part);
  template <typename Value>
  void add_a(Value&& value);
  template <typename Value>
  void add_b_pair(Value&& value);
  void add(const float* kernels::ScoreFp16Weights::*part, const std::vector<double>& numbers,
           double factor = 1);
  uint32_t halves(double low, double high);

  std::vector<uint32_t> words_;
  std::vector<Placed<kernels::TileWords>> tiles_;
  std::vector<Placed<float>> numbers_;
  bool finite_ = true;  // what has been rounded
};

}  // namespace oddity::cuda
