// The files in an archive, one after the other, through libarchive.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

struct archive;

namespace oddity {

enum class ArchiveFormat { tar, tar_gzip, tar_xz, tar_zstd, zip };

class ArchiveReader {
 public:
  /// Throws Error where `path` cannot be opened.
  ArchiveReader(const std::filesystem::path& path, ArchiveFormat format);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  struct Member {
    enum class Kind { file, link, other };
    std::string name;  // not to be trusted, nor printed as it is
    Kind kind = Kind::other;
    bool is_encrypted = false;
    std::optional<uint64_t> size;  // as declared: not to be trusted either
  };

  /// Moves on to the next member; false at the end. Throws Error with the reason alone where the
  /// archive is damaged, TruncatedError where it ends too early: nothing can be read after that.
  bool next(Member& member);
  /// Up to `size` bytes of this member; 0 at its end. Throws as next() does. Of a zip, what is
  /// thrown concerns this member alone.
  size_t read(void* out, size_t size);
  /// Passes over what is left of this member. Throws as next() does.
  void skip();

  /// How much of the file has been read, from 0 to 1.
  double fraction() const;

 private:
  [[noreturn]] void fail() const;

  struct Close {
    void operator()(archive* open) const noexcept;
  };
  ArchiveFormat format_;
  uint64_t size_ = 0;  // of the file
  std::unique_ptr<archive, Close> archive_;
};

}  // namespace oddity
