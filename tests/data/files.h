// The files of tests/data/golden, and files that tests make of them.
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace oddity::test {

/// A file that the real NumPy or Python wrote (tests/data/golden/make.py).
inline std::filesystem::path data_golden(const std::string& name) {
  return std::filesystem::path(ODDITY_SOURCE_DIR) / "tests/data/golden" / name;
}

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A file name as the name of a test.
inline std::string test_name(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

/// Writes `bytes` and returns the path.
inline std::filesystem::path write_bytes(const std::filesystem::path& path,
                                         std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
  return path;
}

/// All numbers of an image set, in its own type.
template <typename Pixel>
std::vector<Pixel> pixels_of(const ImageArray& images) {
  if (sizeof(Pixel) != size_of(images.type())) throw std::logic_error("another pixel type");
  std::vector<Pixel> pixels(images.size() * static_cast<size_t>(images.shape().size()));
  std::memcpy(pixels.data(), images.view().data, pixels.size() * sizeof(Pixel));
  return pixels;
}

}  // namespace oddity::test
