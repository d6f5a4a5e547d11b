// Reads golden .npy files, independently of the reader that is tested.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace oddity::test {

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(ODDITY_GOLDEN_DIR) / name;
}

template <typename T>
struct NpyFile {
  std::vector<int64_t> shape;
  std::vector<T> values;
};

/// A little-endian, C-order NPY v1.0 file of exactly type T.
template <typename T>
NpyFile<T> read_npy_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path.string());
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const size_t header =
      static_cast<uint8_t>(bytes.at(8)) + 256u * static_cast<uint8_t>(bytes.at(9));
  const std::string text = bytes.substr(10, header);
  NpyFile<T> file;
  size_t count = 1;
  for (size_t at = text.find('(') + 1; text[at] != ')';) {
    size_t used = 0;
    file.shape.push_back(std::stoll(text.substr(at), &used));
    count *= static_cast<size_t>(file.shape.back());
    at += used;
    while (text[at] == ',' || text[at] == ' ') ++at;
  }
  if (bytes.size() != 10 + header + count * sizeof(T)) {
    throw std::runtime_error(path.string() + " is not of the type asked for: " + text);
  }
  file.values.resize(count);
  if (count > 0) {
    std::memcpy(file.values.data(), bytes.data() + 10 + header, count * sizeof(T));
  }
  return file;
}

}  // namespace oddity::test
