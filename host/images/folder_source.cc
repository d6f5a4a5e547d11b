#include "images/folder_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "images/folder_label.h"
#include "images/folder_listing.h"

namespace oddity {
namespace {

/// A folder on the way to the current file.
struct Level {
  FolderListing names;
  size_t next = 0;         // position in `names`
  size_t path_length = 0;  // of the part of the current path that leads here
  int32_t label = -1;
  dev_t device = 0;
  ino_t inode = 0;
};

class FolderSource final : public ImageSource {
 public:
  FolderSource(const std::filesystem::path& folder, std::string prefix)
      : root_(folder.native()), prefix_(std::move(prefix)) {
    if (!root_.ends_with('/')) root_ += '/';
    try {
      enter();
    } catch (const ImageError& error) {
      throw Error("{}: {}", printable(folder), error.what());
    }
    if (!levels_.front().names.has_folders()) total_ = levels_.front().names.size();
  }

  bool next(SourceBatch& batch, const BatchLimits& limits) override {
    batch.clear();
    const size_t most = std::max<size_t>(limits.files, 1);
    while (batch.entries.size() < most && advance()) {
      SourceEntry& entry = batch.entries.emplace_back();
      entry.path = prefix_ + path_;
      entry.status = status_;
      if (status_ == ImageStatus::ok) {
        entry.label = levels_.back().label;
        entry.file = root_ + path_;
      } else {
        entry.reason = reason_;
      }
    }
    return !batch.entries.empty();
  }

  uint64_t skip(uint64_t entries, const std::function<void(const std::string&)>& seen) override {
    uint64_t skipped = 0;
    for (; skipped < entries && advance(); ++skipped) seen(prefix_ + path_);
    return skipped;
  }

  std::optional<uint64_t> total() const override { return total_; }

  double fraction() const override {
    if (levels_.empty()) return 1;
    // Each entry of a folder counts the same, and so does each within it.
    double inner = 0;
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
      const auto size = static_cast<double>(std::max<size_t>(level->names.size(), 1));
      const bool is_innermost = level == levels_.rbegin();
      // The folder one is in has been counted by `next` already.
      const double before = static_cast<double>(level->next) - (is_innermost ? 0 : 1);
      inner = (before + inner) / size;
    }
    return inner;
  }

 private:
  /// Goes into the folder at path_, which is empty or ends in '/'. Throws ImageError.
  void enter() {
    const std::string folder = root_ + path_;
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0 || ::fstat(descriptor, &status) != 0) {
      const int cause = errno;
      if (descriptor >= 0) ::close(descriptor);
      throw ImageError(cause == ENOENT ? ImageStatus::vanished : ImageStatus::unreadable,
                       "the folder cannot be opened: {}", std::generic_category().message(cause));
    }
    for (const Level& above : levels_) {
      if (above.device == status.st_dev && above.inode == status.st_ino) {
        ::close(descriptor);
        throw ImageError(ImageStatus::unreadable, "a link back to a folder above it: remove it");
      }
    }
    levels_.push_back({FolderListing(descriptor), 0, path_.size(), label_of_parent(folder),
                       status.st_dev, status.st_ino});
  }

  /// Moves on to the next file, or folder that cannot be entered; false at the end.
  bool advance() {
    while (!levels_.empty()) {
      Level& level = levels_.back();
      path_.resize(level.path_length);
      if (level.next == level.names.size()) {
        levels_.pop_back();
        continue;
      }
      path_ += level.names[level.next++];
      status_ = ImageStatus::ok;
      if (!path_.ends_with('/')) return true;
      try {
        enter();
      } catch (const ImageError& error) {
        path_.pop_back();
        status_ = error.status();
        reason_ = error.what();
        return true;
      }
    }
    return false;
  }

  std::string root_;  // ends in '/'
  std::string prefix_;
  std::vector<Level> levels_;
  std::optional<uint64_t> total_;

  std::string path_;  // the current one, relative to root_
  ImageStatus status_ = ImageStatus::ok;
  std::string reason_;
};

}  // namespace

std::unique_ptr<ImageSource> open_folder(const std::filesystem::path& folder, std::string prefix) {
  return std::make_unique<FolderSource>(folder, std::move(prefix));
}

}  // namespace oddity
