// Writes HDF5 in memory, through libhdf5: the same calls give the same bytes (no time stamps, the
// oldest format, which every version of HDF5 reads). One writer at a time: libhdf5 is not
// thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace oddity {

class Hdf5Writer {
 public:
  Hdf5Writer();
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  /// Objects are named by their path from the root, which is ""; the groups above must exist.
  /// Every member throws Error where libhdf5 fails, with its reason.
  void group(const std::string& path);
  /// Stored as text of fixed length, which Keras decodes.
  void attribute(const std::string& path, const char* name, std::string_view text);
  void attribute(const std::string& path, const char* name, const std::vector<std::string>& texts);
  void attribute(const std::string& path, const char* name, double number);
  void attribute(const std::string& path, const char* name, uint64_t number);
  void array(const std::string& path, std::span<const int64_t> shape,
             std::span<const float> values);
  void array(const std::string& path, std::span<const double> values);

  /// The whole file. The writer is done afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace oddity
