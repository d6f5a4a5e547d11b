#include "images/folder_listing.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "images/image_status.h"

namespace oddity {
namespace {

constexpr size_t kFirstBlock = 2048;  // most folders are small
constexpr size_t kLargestBlock = 65536;

enum class Kind { file, folder, neither };

Kind kind_of(mode_t mode) {
  return S_ISREG(mode) ? Kind::file : S_ISDIR(mode) ? Kind::folder : Kind::neither;
}

Kind kind_of(int folder, const dirent& entry) {
  switch (entry.d_type) {
    case DT_REG:
      return Kind::file;
    case DT_DIR:
      return Kind::folder;
    case DT_LNK:
    case DT_UNKNOWN: {
      struct stat status;
      // Who reads it finds out what is wrong with it.
      if (::fstatat(folder, entry.d_name, &status, 0) != 0) return Kind::file;
      return kind_of(status.st_mode);
    }
    default:
      return Kind::neither;
  }
}

}  // namespace

FolderListing::FolderListing(int descriptor) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(descriptor), ::closedir);
  if (!folder) {
    const std::string cause = std::generic_category().message(errno);
    ::close(descriptor);
    throw ImageError(ImageStatus::unreadable, "the folder cannot be read: {}", cause);
  }
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] == '.') continue;
    const Kind kind = kind_of(descriptor, *entry);
    if (kind != Kind::neither) add(entry->d_name, kind == Kind::folder);
  }
  if (errno != 0) {
    throw ImageError(ImageStatus::unreadable, "the folder cannot be read: {}",
                     std::generic_category().message(errno));
  }

  names_.reserve(count_);
  for (const Block& block : blocks_) {
    for (size_t at = 0; at < block.used; at += std::strlen(&block.bytes[at]) + 1) {
      names_.push_back(&block.bytes[at]);
    }
  }
  // strcmp compares bytes as unsigned, in every locale.
  std::sort(names_.begin(), names_.end(),
            [](const char* a, const char* b) { return std::strcmp(a, b) < 0; });
}

void FolderListing::add(std::string_view name, bool is_folder) {
  const size_t needed = name.size() + (is_folder ? 2 : 1);
  if (blocks_.empty() || blocks_.back().size - blocks_.back().used < needed) {
    const size_t larger = blocks_.empty() ? kFirstBlock : 2 * blocks_.back().size;
    const size_t size = std::max(needed, std::min(larger, kLargestBlock));
    blocks_.push_back({std::make_unique_for_overwrite<char[]>(size), 0, size});
  }
  Block& block = blocks_.back();
  char* out = &block.bytes[block.used];
  out = std::copy(name.begin(), name.end(), out);
  if (is_folder) *out++ = '/';
  *out = '\0';
  block.used += needed;
  ++count_;
  has_folders_ |= is_folder;
}

}  // namespace oddity
