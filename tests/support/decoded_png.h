// A PNG read back for a test, with every checksum verified.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace oddity::test {

struct DecodedPng {
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t channels = 0;  // 1 grey, 3 RGB
  std::vector<uint8_t> pixels;

  /// Number `c` of the pixel at (x, y).
  int at(uint32_t x, uint32_t y, uint32_t c = 0) const {
    return pixels.at((size_t{y} * width + x) * channels + c);
  }
  uint32_t rgb(uint32_t x, uint32_t y) const {
    return static_cast<uint32_t>(at(x, y, 0) << 16 | at(x, y, 1) << 8 | at(x, y, 2));
  }
};

/// Throws std::runtime_error where libspng objects to anything.
DecodedPng decode_png(const std::string& bytes);
DecodedPng read_png(const std::filesystem::path& path);

/// The types of a PNG's chunks, in order: IHDR IDAT IEND.
std::vector<std::string> chunk_types(const std::string& png);

}  // namespace oddity::test
