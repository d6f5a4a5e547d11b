#include "images/image_source.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "images/archive_source.h"
#include "images/array_source.h"
#include "images/folder_source.h"
#include "images/image_input.h"
#include "images/list_source.h"

namespace oddity {

void SourceBatch::clear() {
  entries.clear();
  bytes.clear();
  raw.reset();
}

namespace {

/// What is opened as one source: an input, or image files given one after the other.
struct Part {
  bool is_list = false;  // of paths on standard input
  ImageInput input;
  std::vector<std::filesystem::path> paths;
};

bool is_files(const Part& part) { return !part.is_list && part.input.kind == InputKind::image; }

std::vector<Part> parts_of(const std::vector<std::filesystem::path>& inputs) {
  if (inputs.empty()) {
    throw ArgumentError("no images: give a folder, an archive, an array, or image files");
  }
  if (std::count(inputs.begin(), inputs.end(), kStandardInput) > 1) {
    throw ArgumentError("'-' is given twice: standard input can be read but once");
  }
  std::vector<Part> parts;
  for (const std::filesystem::path& path : inputs) {
    Part part{.is_list = path == kStandardInput, .input = {}, .paths = {path}};
    if (!part.is_list) part.input = recognise_input(path);
    if (is_files(part) && !parts.empty() && is_files(parts.back())) {
      parts.back().paths.push_back(path);
    } else {
      parts.push_back(std::move(part));
    }
  }
  return parts;
}

std::unique_ptr<ImageSource> open_part(const Part& part, bool is_only_input) {
  if (part.is_list) return open_list(STDIN_FILENO);
  const std::filesystem::path& path = part.paths.front();
  const std::string name = is_only_input ? "" : path.native();
  const std::string prefix = name.empty() || name.ends_with('/') ? name : name + '/';
  switch (part.input.kind) {
    case InputKind::folder:
      return open_folder(path, prefix);
    case InputKind::image:
      return open_files(part.paths);
    case InputKind::array:
      return open_array(path, part.input.array, name);
    case InputKind::archive:
      return open_archive(path, {.format = part.input.archive, .prefix = prefix});
    case InputKind::empty:
      break;
  }
  return open_files({});
}

/// Sources one after the other, each opened when its turn comes.
class ChainedSource final : public ImageSource {
 public:
  explicit ChainedSource(std::vector<Part> parts) : parts_(std::move(parts)) {
    for (const Part& part : parts_) {
      if (part.is_list || part.input.kind == InputKind::folder) {
        totals_.emplace_back();
      } else {
        totals_.push_back(open_part(part, /*is_only_input=*/false)->total());
      }
    }
  }

  bool next(SourceBatch& batch, const BatchLimits& limits) override {
    while (open_current()) {
      if (current_->next(batch, limits)) {
        entries_ += batch.entries.size();
        return true;
      }
      close_current();
    }
    batch.clear();
    return false;
  }

  uint64_t skip(uint64_t entries, const std::function<void(const std::string&)>& seen) override {
    uint64_t skipped = 0;
    while (skipped < entries && open_current()) {
      const uint64_t step = current_->skip(entries - skipped, seen);
      entries_ += step;
      skipped += step;
      if (skipped < entries) close_current();
    }
    return skipped;
  }

  void stop() override {
    const std::scoped_lock lock(mutex_);
    is_stopped_ = true;
    if (current_) current_->stop();
  }

  std::optional<uint64_t> total() const override {
    uint64_t sum = 0;
    for (const auto& total : totals_) {
      if (!total) return {};
      sum += *total;
    }
    return sum;
  }

  double fraction() const override {
    const auto all = total();
    if (all && *all > 0) {
      return std::min(1.0, static_cast<double>(entries_) / static_cast<double>(*all));
    }
    const double current = current_ ? current_->fraction() : 0;
    return (static_cast<double>(at_) + current) / static_cast<double>(parts_.size());
  }

 private:
  /// False at the end, and after stop().
  bool open_current() {
    if (at_ == parts_.size()) return false;
    if (current_) return true;
    auto opened = open_part(parts_[at_], /*is_only_input=*/false);
    const std::scoped_lock lock(mutex_);
    if (is_stopped_) return false;
    current_ = std::move(opened);
    totals_[at_] = current_->total();
    entries_before_ = entries_;
    return true;
  }

  void close_current() {
    const std::scoped_lock lock(mutex_);
    current_.reset();
    totals_[at_] = entries_ - entries_before_;
    ++at_;
  }

  std::vector<Part> parts_;
  std::vector<std::optional<uint64_t>> totals_;  // of each part, as far as known
  size_t at_ = 0;
  uint64_t entries_ = 0;
  uint64_t entries_before_ = 0;  // those of the current part

  std::mutex mutex_;  // guards that current_ is there while stop() uses it
  std::unique_ptr<ImageSource> current_;
  bool is_stopped_ = false;
};

}  // namespace

std::unique_ptr<ImageSource> open_images(const std::vector<std::filesystem::path>& inputs) {
  std::vector<Part> parts = parts_of(inputs);
  if (inputs.size() == 1) return open_part(parts.front(), /*is_only_input=*/true);
  return std::make_unique<ChainedSource>(std::move(parts));
}

}  // namespace oddity
