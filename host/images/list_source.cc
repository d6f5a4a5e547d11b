#include "images/list_source.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "images/folder_label.h"

namespace oddity {
namespace {

constexpr size_t kBlock = 65536;
constexpr int kPatience = 100;  // milliseconds until stop() is looked at again

SourceEntry entry_of(std::string path) {
  SourceEntry entry;
  entry.label = label_of_parent(path);
  entry.file = path;
  if (path.find('\0') != path.npos) {
    // The system would take the part before it for the whole.
    entry.status = ImageStatus::unreadable;
    entry.reason = "no file has a NUL byte in its name: separate all paths alike";
  }
  entry.path = std::move(path);
  return entry;
}

class ListSource final : public ImageSource {
 public:
  explicit ListSource(int descriptor) : descriptor_(descriptor) {}

  bool next(SourceBatch& batch, const BatchLimits& limits) override {
    batch.clear();
    const size_t most = std::max<size_t>(limits.files, 1);
    std::string_view path;
    while (batch.entries.size() < most && take(path)) {
      batch.entries.push_back(entry_of(std::string(path)));
      // Whoever writes the list may take long over the next path.
      if (!has_path()) break;
    }
    return !batch.entries.empty();
  }

  uint64_t skip(uint64_t entries, const std::function<void(const std::string&)>& seen) override {
    uint64_t skipped = 0;
    std::string_view path;
    for (; skipped < entries && take(path); ++skipped) seen(std::string(path));
    return skipped;
  }

  void stop() override { stopped_ = true; }
  std::optional<uint64_t> total() const override { return {}; }
  double fraction() const override { return 0; }

 private:
  std::string_view unread() const { return std::string_view(text_).substr(used_); }

  size_t find_separator() {
    if (!separator_) {
      const size_t first = unread().find_first_of(std::string_view("\n\0", 2));
      if (first != std::string_view::npos) separator_ = unread()[first];
    }
    return separator_ ? unread().find(*separator_) : std::string_view::npos;
  }

  /// Whether a path can be taken without reading on.
  bool has_path() {
    while (find_separator() == 0) ++used_;
    return find_separator() != std::string_view::npos;
  }

  /// The next path, valid until the next call; false at the end.
  bool take(std::string_view& path) {
    while (!has_path()) {
      if (unread().size() > kMaxListedPath) fail_too_long();
      if (!read_on()) {
        path = unread();
        used_ = text_.size();
        return !path.empty();
      }
    }
    path = unread().substr(0, find_separator());
    if (path.size() > kMaxListedPath) fail_too_long();
    used_ += path.size() + 1;
    return true;
  }

  [[noreturn]] void fail_too_long() const {
    constexpr size_t kShown = 40;
    throw Error(
        "standard input: a path of more than {} bytes, which begins with {}: give one path a line",
        kMaxListedPath, printable(unread().substr(0, kShown)));
  }

  /// False at the end, or where stop() was called.
  bool read_on() {
    if (at_end_) return false;
    text_.erase(0, used_);
    used_ = 0;
    pollfd waiting{descriptor_, POLLIN, 0};
    while (true) {
      if (stopped_) {
        text_.clear();  // what is there may be half a path
        return false;
      }
      const int ready = ::poll(&waiting, 1, kPatience);
      if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
      const size_t before = text_.size();
      text_.resize(before + kBlock);
      const ssize_t got = ready < 0 ? -1 : ::read(descriptor_, text_.data() + before, kBlock);
      const int cause = errno;
      text_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
      if (got > 0) return true;
      if (got == 0) {
        at_end_ = true;
        return false;
      }
      if (cause == EINTR || cause == EAGAIN) continue;
      throw Error("standard input: reading the list of images failed: {}",
                  std::generic_category().message(cause));
    }
  }

  int descriptor_;
  std::atomic<bool> stopped_ = false;
  std::string text_;
  size_t used_ = 0;  // bytes of text_
  std::optional<char> separator_;
  bool at_end_ = false;
};

class FilesSource final : public ImageSource {
 public:
  explicit FilesSource(std::vector<std::filesystem::path> files) : files_(std::move(files)) {}

  bool next(SourceBatch& batch, const BatchLimits& limits) override {
    batch.clear();
    const size_t end = std::min(files_.size(), at_ + std::max<size_t>(limits.files, 1));
    while (at_ < end) batch.entries.push_back(entry_of(files_[at_++].native()));
    return !batch.entries.empty();
  }

  uint64_t skip(uint64_t entries, const std::function<void(const std::string&)>& seen) override {
    uint64_t skipped = 0;
    for (; skipped < entries && at_ < files_.size(); ++skipped) seen(files_[at_++].native());
    return skipped;
  }

  std::optional<uint64_t> total() const override { return files_.size(); }
  double fraction() const override {
    return static_cast<double>(at_) / static_cast<double>(std::max<size_t>(files_.size(), 1));
  }

 private:
  std::vector<std::filesystem::path> files_;
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<ImageSource> open_list(int descriptor) {
  return std::make_unique<ListSource>(descriptor);
}

std::unique_ptr<ImageSource> open_files(std::vector<std::filesystem::path> files) {
  return std::make_unique<FilesSource>(std::move(files));
}

}  // namespace oddity
