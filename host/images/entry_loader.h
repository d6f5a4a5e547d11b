// One entry of a source after the other becomes a row and, where it is good, packed pixels.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "images/image_file.h"
#include "images/image_source.h"
#include "images/image_stream.h"
#include "images/preprocessing.h"

namespace oddity {

/// Loads entries; one a thread.
class EntryLoader {
 public:
  explicit EntryLoader(const Preprocessing& preprocessing);

  /// Fills `batch` (but for its position and fraction) with what `source` holds. Images of another
  /// shape than `shape` are rows of status wrong-size; without a shape the first good image sets
  /// it.
  void load(const SourceBatch& source, std::optional<ImageShape>& shape, ImageBatch& batch);

  const StageSeconds& seconds() const { return seconds_; }

 private:
  bool load_image(const SourceBatch& source, const SourceEntry& entry);
  bool read(const SourceEntry& entry, std::string_view& file);
  void append(std::optional<ImageShape>& shape, ImageBatch& batch);

  Preprocessing preprocessing_;
  DecodeHints hints_;
  ImageDecoder decoder_;
  Preprocessor preprocessor_;
  std::vector<char> file_;
  Image image_;
  StageSeconds seconds_;
};

}  // namespace oddity
