// Output files that appear whole or not at all.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace oddity {

enum class Overwrite { refuse, replace };

/// A file being written: bytes go to a temporary name beside `path`; commit() syncs it and renames
/// it to `path`. Without commit() (an exception, Ctrl-C) the temporary file is removed and `path`
/// is untouched. A symbolic link is written through: its target is replaced, the link stays. A file
/// that is replaced hands its permissions on. What is no file (/dev/stdout, a pipe, /dev/null) gets
/// the bytes at commit(), from memory. Every failure (no space, no permission, no folder) throws
/// Error naming the path and the cause.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  void write(std::string_view bytes);
  void write(const void* data, size_t bytes);
  /// For libraries that write files themselves: the temporary name, already created, empty. They
  /// must write that very file, not put another in its place.
  const std::filesystem::path& temporary() const { return temporary_; }
  void commit();

 private:
  /// Where the bytes go at commit().
  enum class Target { file, stream };

  void open_beside_target(std::optional<mode_t> mode);
  void rename_to_target();
  void copy_to_stream();

  std::filesystem::path path_;    // as the caller named it
  std::filesystem::path target_;  // behind symbolic links
  std::filesystem::path temporary_;
  Target kind_ = Target::file;
  int descriptor_ = -1;
};

/// Whether `path` is there and no file that could be replaced: a device, a pipe, /dev/stdout.
bool is_stream(const std::filesystem::path& path);

/// Writes one small file whole.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// Called before the work begins: throws Error where `path` could not be written later: its parent
/// folder does not exist or is not writable, it is a folder or write-protected, or it exists and
/// `overwrite` is refuse (the message names --force).
void check_output(const std::filesystem::path& path, Overwrite overwrite);

/// The whole file. Throws Error where it cannot be read or holds more than `limit` bytes.
std::string read_file(const std::filesystem::path& path, size_t limit);

}  // namespace oddity
