// The operators of exported graphs (ONNX, opset 17), in plain loops. Written to be believed on
// reading, not to be fast; sums are made in float64. Shapes, types and attributes are not trusted:
// every operator throws Error naming its node where it does not know what it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "files/onnx_graph.h"

namespace oddity {

/// What running a graph may cost.
struct OnnxLimits {
  int64_t numbers = int64_t{1} << 30;  // held at one time, besides the constants
  double operations = 1e13;            // multiplications, and numbers made
};

/// What has been spent.
class OnnxBudget {
 public:
  explicit OnnxBudget(const OnnxLimits& limits) : limits_(limits) {}

  /// To be called before an array of `shape` is made: how many numbers it holds. Throws Error
  /// beginning with `where` where they are too many.
  size_t claim(const std::vector<int64_t>& shape, const std::string& where);
  /// That many numbers are gone.
  void release(size_t numbers) { held_ -= static_cast<double>(numbers); }
  /// To be called before the work. Throws Error beginning with `where` where it is too much.
  void spend(double operations, const std::string& where);

 private:
  OnnxLimits limits_;
  double held_ = 0;
  double spent_ = 0;
};

/// A node about to be computed.
struct OnnxCall {
  const OnnxNode& node;
  const std::vector<const OnnxTensor*>& inputs;
  OnnxBudget& budget;
};

using OnnxOperator = OnnxTensor (*)(const OnnxCall& call);

/// What computes nodes of a type; null where there is none.
OnnxOperator find_onnx_operator(const std::string& type);

}  // namespace oddity
