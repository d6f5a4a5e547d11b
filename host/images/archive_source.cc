#include "images/archive_source.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "data/byte_source.h"
#include "images/folder_label.h"
#include "images/last_entry.h"

namespace oddity {
namespace {

// Memory for a member is taken in such steps, as its bytes arrive, whatever size it declares.
constexpr size_t kStep = size_t{1} << 20;

/// Whether a name, or that of a folder in it, begins with a dot: "." and ".." alone do not count.
bool is_hidden(std::string_view name) {
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('/'));
    if (part.starts_with('.') && part != "." && part != "..") return true;
    name.remove_prefix(std::min(part.size() + 1, name.size()));
  }
  return false;
}

class ArchiveSource final : public ImageSource {
 public:
  ArchiveSource(const std::filesystem::path& archive, const ArchiveOptions& options)
      : archive_(archive.native()), options_(options), reader_(archive, options.format) {
    find_entry();
    if (failure_) {
      throw Error("{}: cannot be read as an archive: {}", printable(archive), failure_->reason);
    }
  }

  bool next(SourceBatch& batch, const BatchLimits& limits) override {
    batch.clear();
    const size_t most = std::max<size_t>(limits.entries, 1);
    while (batch.entries.size() < most && has_entry_) {
      const size_t room = limits.bytes - std::min(limits.bytes, batch.bytes.size());
      if (!batch.entries.empty() && member_.size.value_or(0) > room) break;
      SourceEntry entry = entry_of_member();
      const size_t offset = batch.bytes.size();
      if (read_entry(entry, batch.bytes) && leave_entry()) {
        batch.entries.push_back(std::move(entry));
      } else {
        batch.bytes.resize(offset);
      }
    }
    give_last(failure_, batch, most);
    return !batch.entries.empty();
  }

  uint64_t skip(uint64_t entries, const std::function<void(const std::string&)>& seen) override {
    uint64_t skipped = 0;
    while (skipped < entries && has_entry_) {
      const std::string path = options_.prefix + member_.name;
      if (!leave_entry()) break;
      seen(path);
      ++skipped;
    }
    return skip_last(failure_, skipped, entries, seen);
  }

  std::optional<uint64_t> total() const override { return {}; }
  double fraction() const override { return has_entry_ ? reader_.fraction() : 1; }

 private:
  SourceEntry entry_of_member() const {
    SourceEntry entry;
    entry.path = options_.prefix + member_.name;
    entry.label = label_of_parent(member_.name);
    return entry;
  }

  /// Appends what the member at hand holds to `bytes`, or says in `entry` why not. False where the
  /// archive ends here.
  bool read_entry(SourceEntry& entry, std::vector<std::byte>& bytes) {
    entry.offset = bytes.size();
    try {
      read_member(entry, bytes);
    } catch (const Error& error) {
      if (options_.format != ArchiveFormat::zip) {
        fail(error);
        return false;
      }
      entry.status = ImageStatus::unreadable;
      entry.reason = error.what();
      entry.left_out = !has_image_suffix(member_.name);
    }
    if (entry.status != ImageStatus::ok || entry.left_out) bytes.resize(entry.offset);
    entry.size = bytes.size() - entry.offset;
    return true;
  }

  void read_member(SourceEntry& entry, std::vector<std::byte>& bytes) {
    const bool is_called_image = has_image_suffix(member_.name);
    if (member_.kind == ArchiveReader::Member::Kind::link) {
      entry.status = ImageStatus::unsupported;
      entry.reason = "a link to another member";
    } else if (member_.is_encrypted) {
      entry.status = ImageStatus::unsupported;
      entry.reason = "encrypted: unpack the archive";
      entry.left_out = !is_called_image;
    } else {
      if (!is_called_image) {
        append(bytes, kImageFormatPrefix);
        const auto* start = reinterpret_cast<const char*>(bytes.data() + entry.offset);
        entry.left_out = !image_format({start, bytes.size() - entry.offset});
        if (entry.left_out) return;
      }
      const uint64_t declared = member_.size.value_or(0);
      const size_t largest = options_.largest_file;
      if (declared <= largest) append(bytes, largest + 1 - (bytes.size() - entry.offset));
      if (declared > largest || bytes.size() - entry.offset > largest) {
        entry.status = ImageStatus::too_large;
        entry.reason = fmt::format("{} bytes, more than the {} that are read",
                                   std::max<uint64_t>(declared, largest + 1), largest);
      }
    }
  }

  /// Up to `most` bytes of the member at hand.
  void append(std::vector<std::byte>& bytes, size_t most) {
    const size_t before = bytes.size();
    const size_t expected = std::min<uint64_t>(member_.size.value_or(kStep), most);
    size_t used = 0;
    while (used < most) {
      // One more than expected: the read that comes back short has seen the end. What goes on
      // behind it said too little of itself.
      const size_t left = used <= expected ? expected - used + 1 : kStep;
      const size_t step = std::min({left, kStep, most - used});
      bytes.resize(before + used + step);
      const size_t got = reader_.read(bytes.data() + before + used, step);
      used += got;
      if (got == 0) break;
    }
    bytes.resize(before + used);
  }

  /// Moves on from the entry at hand, which counts once the archive has been passed to its end.
  /// False where the archive ends within it.
  bool leave_entry() {
    try {
      reader_.skip();
    } catch (const Error& error) {
      fail(error);
      return false;
    }
    ++whole_entries_;
    last_name_.swap(member_.name);
    find_entry();
    return true;
  }

  /// Goes to the next member that is an entry.
  void find_entry() {
    has_entry_ = false;
    try {
      while (reader_.next(member_)) {
        ++members_;
        if (member_.name.empty()) {
          member_.name = fmt::format("(member {}, whose name is no text)", members_);
        }
        const bool is_entry =
            member_.kind == ArchiveReader::Member::Kind::file ||
            (member_.kind == ArchiveReader::Member::Kind::link && has_image_suffix(member_.name));
        if (is_entry && !is_hidden(member_.name)) {
          has_entry_ = true;
          return;
        }
        reader_.skip();
      }
    } catch (const Error& error) {
      fail(error);
    }
  }

  /// The archive cannot be read on: that is its last entry.
  void fail(const Error& error) {
    has_entry_ = false;
    failure_.emplace();
    failure_->path = archive_;
    failure_->status = dynamic_cast<const TruncatedError*>(&error) != nullptr
                           ? ImageStatus::truncated
                           : ImageStatus::unreadable;
    const std::string place =
        whole_entries_ == 0 ? "in its first file"
                            : fmt::format("after {} ({} in all)",
                                          printable(std::string_view(last_name_)), whole_entries_);
    failure_->reason = fmt::format("{}, {}: copy the archive again", error.what(), place);
  }

  std::string archive_;
  ArchiveOptions options_;
  ArchiveReader reader_;
  ArchiveReader::Member member_;  // the entry at hand, where there is one
  bool has_entry_ = false;
  std::optional<SourceEntry> failure_;  // comes after the entries before it
  uint64_t members_ = 0;
  uint64_t whole_entries_ = 0;
  std::string last_name_;
};

}  // namespace

std::unique_ptr<ImageSource> open_archive(const std::filesystem::path& archive,
                                          const ArchiveOptions& options) {
  return std::make_unique<ArchiveSource>(archive, options);
}

}  // namespace oddity
