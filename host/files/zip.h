// Zip archives (NPZ, .keras), read and written through libarchive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "files/atomic_file.h"

struct archive;

namespace oddity {

/// Whether a file that starts so is a zip archive, or one without members.
bool is_zip(std::string_view start);
bool is_empty_zip(std::string_view start);

/// Reads the members of a zip archive one after the other, in the order of the file. Every method
/// throws Error naming the file where it is missing, no zip, or damaged.
class ZipReader {
 public:
  explicit ZipReader(const std::filesystem::path& path);

  /// Bytes of the whole archive.
  uint64_t file_size() const { return size_; }
  /// Moves on to the next member; false at the end.
  bool next();
  /// Name of this member, as it stands in the archive: not to be trusted, nor printed as it is.
  const std::string& name() const { return name_; }
  /// Up to `size` bytes of this member; 0 at its end, where its checksum has been verified.
  size_t read(void* out, size_t size);

 private:
  struct Close {
    void operator()(archive* open) const noexcept;
  };
  [[noreturn]] void fail() const;

  std::string file_;  // for messages
  uint64_t size_ = 0;
  std::unique_ptr<archive, Close> archive_;
  std::string name_;
};

/// The members of a zip archive whose names `wanted` lists, as (name, bytes), in the archive's
/// order. Throws Error where the file is not a zip, is damaged (checksums are verified), a member
/// occurs twice, or a member holds more than `limit` bytes, whatever its header declares.
std::vector<std::pair<std::string, std::string>> read_zip(const std::filesystem::path& path,
                                                          const std::vector<std::string>& wanted,
                                                          size_t limit);

/// Writes a zip, stored without compression, dated 1980-01-01 in every time zone: the same members
/// give the same bytes. The file appears whole, with commit(), or not at all.
class ZipWriter {
 public:
  explicit ZipWriter(const std::filesystem::path& path);
  ~ZipWriter();

  /// Adds a member made of `parts`, one after the other.
  void add(const std::string& name, std::initializer_list<std::string_view> parts);
  void commit();

 private:
  struct State;

  std::unique_ptr<State> state_;
};

/// The bytes of a zip of `members` as ZipWriter writes it.
std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& members);

/// A zip of `members` as ZipWriter writes it.
void write_zip(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace oddity
