// Folders and archives that tests make, and what sources list of them.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "data/files.h"
#include "images/image_source.h"

namespace oddity::test {

/// The start of a PNG file, enough to be recognised; `text` after it.
inline std::string png_like(std::string_view text) {
  return std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16) + std::string(text);
}

/// Writes a file and the folders it lies in.
inline void write_below(const std::filesystem::path& folder, const std::string& name,
                        std::string_view bytes) {
  std::filesystem::create_directories((folder / name).parent_path());
  write_bytes(folder / name, bytes);
}

/// A member of an archive to be made.
struct MadeMember {
  std::string name;
  std::string bytes;
  mode_t type = AE_IFREG;
  std::string hard_link = {};
};

enum class MadeFormat { tar, pax, tar_gzip, tar_xz, tar_zstd, zip, zip_stored };

/// An archive of `members`, in memory.
inline std::string make_archive(MadeFormat format, const std::vector<MadeMember>& members) {
  const std::unique_ptr<archive, decltype(&archive_write_free)> out(archive_write_new(),
                                                                    archive_write_free);
  const auto check = [&](la_ssize_t result) {
    if (result < 0) throw std::runtime_error(archive_error_string(out.get()));
  };
  switch (format) {
    case MadeFormat::zip:
    case MadeFormat::zip_stored:
      check(archive_write_set_format_zip(out.get()));
      check(format == MadeFormat::zip ? archive_write_zip_set_compression_deflate(out.get())
                                      : archive_write_zip_set_compression_store(out.get()));
      check(archive_write_set_bytes_in_last_block(out.get(), 1));
      break;
    case MadeFormat::pax:
      check(archive_write_set_format_pax(out.get()));
      break;
    default:
      check(archive_write_set_format_gnutar(out.get()));
  }
  if (format == MadeFormat::tar_gzip) check(archive_write_add_filter_gzip(out.get()));
  if (format == MadeFormat::tar_xz) check(archive_write_add_filter_xz(out.get()));
  if (format == MadeFormat::tar_zstd) check(archive_write_add_filter_zstd(out.get()));

  size_t room = 1 << 20;
  for (const MadeMember& member : members) room += member.bytes.size() + member.name.size() + 4096;
  std::string bytes(room, '\0');
  size_t used = 0;
  check(archive_write_open_memory(out.get(), bytes.data(), bytes.size(), &used));
  for (const MadeMember& member : members) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              archive_entry_free);
    archive_entry_set_pathname(entry.get(), member.name.c_str());
    archive_entry_set_filetype(entry.get(), member.type);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_mtime(entry.get(), 1600000000, 0);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(member.bytes.size()));
    if (member.type == AE_IFLNK) archive_entry_set_symlink(entry.get(), "elsewhere");
    if (!member.hard_link.empty()) {
      archive_entry_set_hardlink(entry.get(), member.hard_link.c_str());
    }
    check(archive_write_header(out.get(), entry.get()));
    if (!member.bytes.empty()) {
      check(archive_write_data(out.get(), member.bytes.data(), member.bytes.size()));
    }
  }
  check(archive_write_close(out.get()));
  bytes.resize(used);
  return bytes;
}

/// An entry with what it holds, after its batch is gone.
struct Listed {
  std::string path;
  int32_t label = -1;
  std::string file;
  std::string bytes;
  ImageStatus status = ImageStatus::ok;
  std::string reason;
  bool left_out = false;
  friend bool operator==(const Listed&, const Listed&) = default;
};

inline void PrintTo(const Listed& entry, std::ostream* out) {
  *out << "{'" << entry.path << "', label " << entry.label << ", " << name_of(entry.status) << ", '"
       << entry.reason << "', " << entry.bytes.size() << " bytes" << (entry.left_out ? ", out" : "")
       << "}";
}

/// All that `source` still holds. Throws std::logic_error where a batch is none.
inline std::vector<Listed> rest_of(ImageSource& source, const BatchLimits& limits = {}) {
  std::vector<Listed> entries;
  SourceBatch batch;
  while (source.next(batch, limits)) {
    if (batch.entries.empty()) throw std::logic_error("an empty batch before the end");
    if (batch.entries.size() > std::max<size_t>(limits.entries, 1)) {
      throw std::logic_error("a batch of too many entries");
    }
    for (const SourceEntry& entry : batch.entries) {
      if (entry.offset + entry.size > batch.bytes.size()) throw std::logic_error("no such bytes");
      const auto* bytes = reinterpret_cast<const char*>(batch.bytes.data() + entry.offset);
      entries.push_back({entry.path, entry.label, entry.file.native(),
                         std::string(bytes, entry.size), entry.status, entry.reason,
                         entry.left_out});
    }
  }
  if (!batch.entries.empty()) throw std::logic_error("entries after the end");
  if (source.next(batch, limits)) throw std::logic_error("a batch after the end");
  return entries;
}

inline std::vector<std::string> paths_of(const std::vector<Listed>& entries) {
  std::vector<std::string> paths;
  for (const Listed& entry : entries) paths.push_back(entry.path);
  return paths;
}

/// What is wrong with skipping and then reading on, at every place; empty where nothing is. `open`
/// makes the source anew.
template <typename Open>
std::string skip_problem(Open&& open) {
  const std::vector<Listed> all = rest_of(*open());
  for (size_t before = 0; before <= all.size() + 1; ++before) {
    const auto source = open();
    std::vector<std::string> seen;
    const auto skipped =
        source->skip(before, [&](const std::string& path) { seen.push_back(path); });
    const size_t expected = std::min(before, all.size());
    const std::vector<Listed> front(all.begin(), all.begin() + static_cast<long>(expected));
    const std::vector<Listed> back(all.begin() + static_cast<long>(expected), all.end());
    const std::string place = std::to_string(before) + " of " + std::to_string(all.size());
    if (skipped != expected) return "skipped " + std::to_string(skipped) + " instead of " + place;
    if (seen != paths_of(front)) return "other paths were seen when skipping " + place;
    if (rest_of(*source) != back) return "another rest after skipping " + place;
  }
  return "";
}

}  // namespace oddity::test
