// From an image source to packed pixels: reading, decoding and preprocessing on all cores, results
// in the order of the source, in bounded memory.
#pragma once

#include <memory>
#include <optional>

#include "core/shape.h"
#include "images/image_source.h"
#include "images/image_stream.h"
#include "images/preprocessing.h"

namespace oddity {

struct PipelineOptions {
  Preprocessing preprocessing;
  /// Images of any other shape are rows of status wrong-size. None: the shape of the first image
  /// that can be read.
  std::optional<ImageShape> shape;
  int threads = 1;  // that decode; one more reads
  /// Where to go on: entries before it are passed over.
  SourcePosition start;
};

/// Reads `source` on a thread of its own and decodes on others, which live as long as the stream.
/// Nothing it gives depends on their number. Throws Error where the source does not hold the same
/// paths before `start` as it did.
std::unique_ptr<ImageStream> open_pipeline(std::unique_ptr<ImageSource> source,
                                           const PipelineOptions& options);

}  // namespace oddity
