// Is what an ONNX file computes what the engine computes?
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "core/progress.h"
#include "engine/engine.h"
#include "files/model_file.h"

namespace oddity {

/// How far a file is from an engine, over all images tried.
struct OnnxDifference {
  size_t images = 0;
  double reconstruction = 0;  // the largest, of a pixel
  double score = 0;           // the largest
};

/// Runs the file, through OnnxEvaluator, and the model, on the engine, on black, white and random
/// images, always the same ones. Throws Error where the file is damaged, a reconstruction or score
/// by the rule is further from the engine's than rounding explains, or the file does not flag
/// exactly the scores at or above the threshold, if there is one.
OnnxDifference verify_onnx(std::string_view bytes, const ModelFile& model,
                           std::optional<double> threshold, Engine& engine, Progress& progress,
                           const ScoreRule& rule = {});

}  // namespace oddity
