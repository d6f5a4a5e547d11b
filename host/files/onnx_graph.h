// The graph of an ONNX file, decoded from untrusted bytes and checked: what the evaluator runs.
// Only what our own files hold is accepted; everything else is refused by name.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/shape.h"
#include "data/pixels.h"

namespace oddity {

/// An array, row-major. Without extents it is one number.
struct OnnxTensor {
  // In the order of kOnnxTypeNames.
  using Values = std::variant<std::vector<uint8_t>, std::vector<uint16_t>, std::vector<int64_t>,
                              std::vector<float>, std::vector<double>, std::vector<bool>>;

  std::vector<int64_t> shape;
  Values values;
};

inline constexpr const char* kOnnxTypeNames[] = {"uint8",   "uint16",  "int64",
                                                 "float32", "float64", "bool"};
inline constexpr size_t kOnnxFloat32 = 3;
inline constexpr size_t kOnnxBool = 5;

/// What the computation of a node is told besides its inputs.
using OnnxAttribute = std::variant<int64_t, float, std::vector<int64_t>>;

/// One computation. Values are numbered: the constants, then the images, then the output of each
/// node.
struct OnnxNode {
  std::string name;  // of its output
  std::string type;  // of the operator: "Conv"
  std::vector<size_t> inputs;
  std::map<std::string, OnnxAttribute> attributes;
};

/// What leaves the graph.
struct OnnxOutput {
  size_t value = 0;
  size_t type = 0;             // index into kOnnxTypeNames
  std::vector<int64_t> shape;  // of one image: without the first extent, which is N
};

struct OnnxGraph {
  PixelType input_type = PixelType::u8;
  ImageShape image;
  std::vector<OnnxTensor> constants;
  std::vector<OnnxNode> nodes;
  std::map<std::string, OnnxOutput> outputs;
  std::map<std::string, std::string> metadata;

  /// The number of the images.
  size_t images() const { return constants.size(); }
};

/// Throws Error where the bytes are no ONNX model of opset 17 and IR version 8 with one input
/// [N,H,W,C] of uint8, uint16 or float32, where a node reads what no earlier one gives, where a
/// name occurs twice, or an array does not hold what its shape says. What operators mean is not
/// looked at.
OnnxGraph parse_onnx(std::string_view bytes);

/// A name from a file, for messages: short, on one line.
std::string shown_onnx_name(std::string_view name);

}  // namespace oddity
