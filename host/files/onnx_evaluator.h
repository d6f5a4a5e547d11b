// Runs ONNX files of ours without ONNX Runtime: what `oddity export` checks a file with before it
// gives it its name. The file is not trusted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/pixels.h"
#include "files/onnx_graph.h"
#include "files/onnx_operators.h"

namespace oddity {

/// What a graph gives for N images (onnx_model.h).
struct OnnxResult {
  std::vector<float> reconstruction;         // [N,H,W,C]
  std::vector<float> score;                  // [N]
  std::optional<std::vector<bool>> outlier;  // [N]; none where the file has no such output
};

class OnnxEvaluator {
 public:
  /// Throws Error where parse_onnx does, for an operator that is not known, and where the outputs
  /// are others than those of OnnxResult.
  explicit OnnxEvaluator(std::string_view bytes, const OnnxLimits& limits = {});

  PixelType input_type() const { return graph_.input_type; }
  const ImageShape& image() const { return graph_.image; }
  /// Whether the file decides which images are outliers.
  bool has_outlier() const { return graph_.outputs.contains("outlier"); }
  const std::map<std::string, std::string>& metadata() const { return graph_.metadata; }

  /// Throws Error where the images are not of input_type() and image(), where shapes, types or
  /// attributes do not fit, results are not what the file declares, and past the limits.
  OnnxResult run(const ImageView& images) const;

 private:
  struct Computed;

  void check_output(const std::string& name, const OnnxOutput& output);
  OnnxTensor take(Computed& computed, const OnnxOutput& output, const char* name) const;

  OnnxGraph graph_;
  OnnxLimits limits_;
  std::vector<OnnxOperator> operators_;  // of each node
  std::vector<size_t> last_use_;         // of each value: the last node that reads it
};

}  // namespace oddity
