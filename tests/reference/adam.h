// Adam as tf_keras' legacy optimizer computes it: epsilon stands outside of the bias correction.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "reference/layers.h"

namespace oddity::reference {

/// Tensors by name ("encoder.conv1.kernel"), in Keras' layouts.
using Parameters = std::map<std::string, Values>;

class Adam {
 public:
  /// w −= rate · sqrt(1 − .999^t) / (1 − .9^t) · m / (sqrt(v) + 1e-7) for step t = 1, 2 … and every
  /// tensor that has a gradient.
  void update(Parameters& weights, const Parameters& gradients, double learning_rate);

  int64_t steps() const { return steps_; }
  const Parameters& first() const { return first_; }
  const Parameters& second() const { return second_; }

 private:
  Parameters first_;
  Parameters second_;
  int64_t steps_ = 0;
};

}  // namespace oddity::reference
