// Pictures as PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace oddity {

/// A picture in memory: 8 bits a number, [height, width, channels], one channel grey or three RGB.
struct Picture {
  Picture(uint32_t picture_width, uint32_t picture_height, uint32_t picture_channels,
          uint8_t background = 0);

  uint8_t* at(uint32_t x, uint32_t y) { return pixels.data() + (size_t{y} * width + x) * channels; }

  uint32_t width;
  uint32_t height;
  uint32_t channels;
  std::vector<uint8_t> pixels;
};

/// The bytes of a PNG. The same picture gives the same bytes: nothing but pixels is stored.
std::string encode_png(const Picture& picture);

/// Writes encode_png(picture) whole or not at all. Throws Error where the file cannot be written.
void write_png(const std::filesystem::path& path, const Picture& picture);

}  // namespace oddity
