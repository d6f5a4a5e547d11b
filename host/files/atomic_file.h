// Output files that appear whole or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace oddity {

enum class Overwrite { refuse, replace };

/// A file being written: bytes go to a temporary name beside `path`; commit() syncs and renames it.
/// Without commit() (an exception, Ctrl-C) the temporary file is removed and `path` is untouched.
/// Every failure (no space, no permission, no folder) throws Error naming the path and the cause.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  void write(std::string_view bytes);
  void write(const void* data, size_t bytes);
  /// For libraries that write files themselves: the temporary name, already created, empty.
  const std::filesystem::path& temporary() const { return temporary_; }
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

/// Writes one small file whole.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// Called before the work begins: throws Error where `path` could not be written later: its parent
/// folder does not exist or is not writable, it is a folder, or it exists and `overwrite` is refuse
/// (the message names --force).
void check_output(const std::filesystem::path& path, Overwrite overwrite);

/// The whole file. Throws Error where it cannot be read or holds more than `limit` bytes.
std::string read_file(const std::filesystem::path& path, size_t limit);

}  // namespace oddity
