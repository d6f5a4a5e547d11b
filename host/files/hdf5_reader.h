// Reads HDF5 files that somebody else may have written.
//
// libhdf5 trusts what a file says: 1.10.8 writes past its buffers when the length of a string
// attribute is changed. So files are read here, every address and size checked against the file
// before it is used. What h5py and Keras write is understood: the oldest format (superblock 0 or
// 1), their default with every HDF5 version, and contiguous arrays. Nothing here opens another
// file: links by name, external and virtual arrays and filters are refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "files/hdf5_format.h"

namespace oddity {

class Hdf5Reader {
 public:
  /// An array as it lies in the file, little-endian, C order: `bytes` are as many as shape and type
  /// declare, and live as long as the reader.
  struct Array {
    std::vector<int64_t> shape;
    std::string type;  // "float32", "float64", "uint8", "big-endian float32", …
    std::string_view bytes;
  };

  static bool recognises(std::string_view bytes);

  /// Takes a whole file. Like every member throws Error, which does not name the file, where it is
  /// damaged, truncated or holds what is not supported.
  explicit Hdf5Reader(std::string bytes);
  Hdf5Reader(const Hdf5Reader&) = delete;  // arrays point into it
  Hdf5Reader& operator=(const Hdf5Reader&) = delete;

  /// Objects are named by their path from the root, which is "": "model_weights/encoder".
  bool has(std::string_view path) const;
  bool has_attribute(std::string_view path, std::string_view name) const;

  std::string text(std::string_view path, std::string_view name) const;
  std::vector<std::string> texts(std::string_view path, std::string_view name) const;
  double real(std::string_view path, std::string_view name) const;
  uint64_t natural(std::string_view path, std::string_view name) const;

  Array array(std::string_view path) const;
  /// The numbers of an array of one dimension and of just this type: float or double.
  template <typename T>
  std::vector<T> list(std::string_view path) const;

 private:
  std::optional<uint64_t> find(std::string_view path) const;
  uint64_t address_of(std::string_view path) const;
  std::optional<hdf5::Attribute> find_attribute(std::string_view path, std::string_view name) const;
  hdf5::Attribute attribute(std::string_view path, std::string_view name) const;

  std::string bytes_;
  uint64_t root_ = 0;  // address of the root group's object header
};

}  // namespace oddity
