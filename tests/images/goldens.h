// The images of tests/images/golden and what they hold.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "images/image_file.h"

namespace oddity::test {

inline std::string image_golden(const std::string& name) {
  const auto path = std::filesystem::path(ODDITY_SOURCE_DIR) / "tests/images/golden" / name;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The numbers of an image, whatever their type.
inline std::vector<double> numbers_of(PixelType type, const char* bytes, size_t count) {
  std::vector<double> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    if (type == PixelType::u8) {
      numbers[i] = static_cast<uint8_t>(bytes[i]);
    } else if (type == PixelType::u16) {
      uint16_t value;
      std::memcpy(&value, bytes + i * sizeof value, sizeof value);
      numbers[i] = value;
    } else {
      float value;
      std::memcpy(&value, bytes + i * sizeof value, sizeof value);
      numbers[i] = static_cast<double>(value);
    }
  }
  return numbers;
}
inline std::vector<double> numbers_of(const Image& image) {
  if (image.pixels.size() != static_cast<size_t>(image.shape.size()) * size_of(image.type)) {
    throw std::logic_error("pixels are not as many as the shape says");
  }
  return numbers_of(image.type, reinterpret_cast<const char*>(image.pixels.data()),
                    static_cast<size_t>(image.shape.size()));
}

inline PixelType type_of(const std::string& name) {
  return name == "u8" ? PixelType::u8 : name == "u16" ? PixelType::u16 : PixelType::f32;
}

/// A file and its pixels, upright.
struct GoldenImage {
  std::string name;
  PixelType type = PixelType::u8;
  ImageShape shape;
  int orientation = 1;
  std::vector<double> numbers;
};

inline std::vector<GoldenImage> golden_images() {
  std::vector<GoldenImage> images;
  std::istringstream lines(image_golden("manifest.txt"));
  const std::string expected = image_golden("expected.bin");
  size_t offset = 0;
  GoldenImage image;
  std::string type;
  while (lines >> image.name >> type >> image.shape.width >> image.shape.height >>
         image.shape.channels >> image.orientation) {
    image.type = type_of(type);
    const auto count = static_cast<size_t>(image.shape.size());
    if (offset + count * size_of(image.type) > expected.size()) throw std::logic_error("cut");
    image.numbers = numbers_of(image.type, expected.data() + offset, count);
    offset += count * size_of(image.type);
    images.push_back(image);
  }
  if (offset != expected.size()) throw std::logic_error("expected.bin is longer than its list");
  return images;
}

/// What a decoder says of a file it refuses: status and reason. "(no error)" where it takes it.
inline std::string refusal(const std::string& file, const DecodeHints& hints = {}) {
  ImageDecoder decoder;
  Image image;
  try {
    decoder.decode(file, hints, image);
  } catch (const ImageError& error) {
    return std::string(name_of(error.status())) + ": " + error.what();
  }
  return "(no error)";
}

}  // namespace oddity::test
