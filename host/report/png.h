// Pictures as PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/shape.h"

namespace oddity {

/// A picture in memory: 8 bits a number, [height, width, channels], one channel grey or three RGB.
struct Picture {
  Picture() = default;
  Picture(uint32_t picture_width, uint32_t picture_height, uint32_t picture_channels,
          uint8_t background = 0);

  uint8_t* at(uint32_t x, uint32_t y) { return pixels.data() + (size_t{y} * width + x) * channels; }

  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t channels = 1;
  std::vector<uint8_t> pixels;
};

/// The reference's (value · 255).astype("uint8"). What is outside [0,1], which no image should be,
/// is drawn as the nearest end; NaN as black.
uint8_t to_byte(float value);

/// An image [H, W, C] in [0,1] as a picture: three channels are RGB; of any other number the first
/// is shown.
Picture picture_of(std::span<const float> image, const ImageShape& shape);

/// The picture with sides of at most `side`, by averaging blocks of k × k pixels for the smallest
/// whole k that does; a smaller picture as it is.
Picture shrunk(const Picture& picture, uint32_t side);

/// The bytes of a PNG. The same picture gives the same bytes: nothing but pixels is stored.
std::string encode_png(const Picture& picture);

/// Writes encode_png(picture) whole or not at all. Throws Error where the file cannot be written.
void write_png(const std::filesystem::path& path, const Picture& picture);

}  // namespace oddity
