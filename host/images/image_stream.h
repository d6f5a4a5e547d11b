// Images of a large set as they pass: packed pixels and what is known of each, a batch at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/shape.h"
#include "data/pixels.h"
#include "images/image_status.h"

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
  uint64_t paths = 0;    // a hash of their paths, one after the other; 0 for none
  friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

/// Consecutive images of the set.
struct ImageBatch {
  std::vector<ImageRow> rows;
  /// The images of the rows that are ok, packed one after the other: [images, H, W, C] of one type,
  /// the widest that any of them came in. Wider ones hold the same values: the same scores.
  PixelType type = PixelType::u8;
  std::vector<std::byte> pixels;
  size_t images = 0;
  SourcePosition end;   // after the last row
  size_t left_out = 0;  // files among these rows that are no images, neither by name nor by content
  double fraction = 0;  // of the source that has been read; 0 where that is not known

  void clear();
};

/// Seconds that all threads together were busy with a stage.
struct StageSeconds {
  double list = 0;  // the one thread that lists folders and reads archives and arrays
  double read = 0;  // files of folders and lists
  double decode = 0;
  double preprocess = 0;
};

class ImageStream {
 public:
  virtual ~ImageStream() = default;

  enum class Wait { batch, end, not_yet };
  /// Exchanges `batch` for the next one (its memory is used again), after a tenth of a second at
  /// most: `not_yet` gives the caller a moment to stop. Throws what reading threw, after everything
  /// that was read before it.
  virtual Wait next(ImageBatch& batch) = 0;
  /// Whether next() would not have to wait.
  virtual bool ready() const = 0;

  /// The shape of all images; none before the first good one.
  virtual std::optional<ImageShape> shape() const = 0;
  virtual StageSeconds stage_seconds() const = 0;
};

}  // namespace oddity
