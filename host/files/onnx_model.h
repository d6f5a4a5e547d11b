// A model as ONNX: pixels in; reconstruction, score and verdict out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "data/pixels.h"
#include "files/model_file.h"

namespace oddity {

/// Of July 2022 (ONNX 1.12): ONNX Runtime 1.12 and newer run it.
inline constexpr int64_t kOnnxOpset = 17;
inline constexpr int64_t kOnnxIrVersion = 8;
/// Protobuf's limit of a message.
inline constexpr size_t kMaxOnnxFile = std::numeric_limits<int32_t>::max();

/// From which score on an image is an outlier.
struct OnnxThreshold {
  double value = 0;
  std::string origin;  // for people: "given with --threshold"
};

/// The type of pixels the model was trained on; uint8 where it does not say.
PixelType input_type(const ModelFile& model);

/// The bytes of a file that computes, for any number N of images:
///   images          [N,H,W,C] of input_type(model)
///   reconstruction  float32 [N,H,W,C] in (0,1)
///   score           float32 [N], by the rule, of the images in [0,1]
///   outlier         bool [N], score ≥ threshold in float64; not there without a threshold
/// The scaling of pixels to [0,1] and the network in inference mode are inside; what a model does
/// with images before (crop, gray, resize) is not, but said in the metadata `preprocessing`. The
/// same model gives the same bytes. Throws Error where the weights are not the architecture's, or
/// too many for a file of 2 GiB.
std::string onnx_model(const ModelFile& model, const std::optional<OnnxThreshold>& threshold,
                       const ScoreRule& rule = {});

}  // namespace oddity
