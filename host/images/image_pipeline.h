// From an image source to packed pixels: reading, decoding and preprocessing on all cores, results
// in the order of the source, in bounded memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/shape.h"
#include "data/pixels.h"
#include "images/image_source.h"
#include "images/image_status.h"
#include "images/preprocessing.h"

namespace oddity {

/// What is known of one image, good or bad.
struct ImageRow {
  std::string path;
  int32_t label = -1;
  ImageStatus status = ImageStatus::ok;
  std::string reason;
};

/// How far a source has been read: for going on after a run that was cut short.
struct SourcePosition {
  uint64_t entries = 0;  // of the source, left-out ones included
  uint64_t paths = 0;    // a hash of their paths, one after the other
  friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

/// Consecutive images of the set.
struct ImageBatch {
  std::vector<ImageRow> rows;
  /// The images of the rows that are ok, packed one after the other, of one type.
  PixelType type = PixelType::u8;
  std::vector<std::byte> pixels;
  SourcePosition end;   // after the last row
  size_t left_out = 0;  // entries between these rows that are nobody's
  double fraction = 0;  // of the source that has been read; 0 where that is not known
};

/// Seconds that all threads together were busy with a stage.
struct StageSeconds {
  double read = 0;
  double decode = 0;
  double preprocess = 0;
};

/// Threads live as long as the pipeline. Nothing it gives depends on their number.
class ImagePipeline {
 public:
  struct Options {
    Preprocessing preprocessing;
    /// Images of any other shape are rows of status wrong-size. None: the shape of the first image
    /// that can be read.
    std::optional<ImageShape> shape;
    int threads = 1;  // that decode; one more reads
    /// Where to go on: entries before it are passed over. Throws Error from the constructor where
    /// the source does not hold the same paths there.
    SourcePosition start;
  };
  ImagePipeline(std::unique_ptr<ImageSource> source, const Options& options);
  ~ImagePipeline();
  ImagePipeline(const ImagePipeline&) = delete;
  ImagePipeline& operator=(const ImagePipeline&) = delete;

  /// Exchanges `batch` for the next one (its memory is used again); false at the end. Throws what
  /// reading threw, after everything that was read before.
  bool next(ImageBatch& batch);
  /// Whether next() would not have to wait.
  bool ready() const;

  /// The shape of all images; none before the first good one.
  std::optional<ImageShape> shape() const;
  StageSeconds stage_seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace oddity
