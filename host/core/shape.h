// The shape of one image, and how it is written in messages.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace oddity {

/// Extents of one image; images lie in memory as [height, width, channels] (NHWC).
struct ImageShape {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;

  /// Numbers in one image.
  int64_t size() const { return height * width * channels; }
  friend bool operator==(const ImageShape&, const ImageShape&) = default;
};

/// Width first, as people say it: 640x480x3.
inline std::string to_string(const ImageShape& shape) {
  return fmt::format("{}x{}x{}", shape.width, shape.height, shape.channels);
}

/// Positions [begin, end) of a set.
struct Range {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
};

}  // namespace oddity
