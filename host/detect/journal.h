// The rows of a scoring run that are finished, kept beside the output until it is whole: what a
// crash, a kill or a full disk cannot take back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "images/image_pipeline.h"
#include "images/image_status.h"

namespace oddity {

/// One row of the table.
struct ScoreRow {
  std::string path;
  ImageStatus status = ImageStatus::ok;
  float score = 0;  // of an image that is ok
  std::string reason;
};

/// An append-only file. Layout, little-endian: "ODDITYJ1", u32 length and text of the identity, its
/// XXH3 as u64; then blocks of u32 bytes of the payload, u32 rows, u64 entries, u64 paths (the
/// SourcePosition behind the last row), u8 last, u64 XXH3 of all these and the payload; the payload
/// is a row after the other: u8 status, f32 score where ok, else varint length and reason, varint
/// length and path. A block that is not whole at the end of the file was being written when the
/// program died: it does not count.
class Journal {
 public:
  /// Begins a journal; `identity` says what run it belongs to. Throws Error where the file exists
  /// (unless `replace`), cannot be written, or another program is writing it.
  static Journal create(const std::filesystem::path& path, const std::string& identity,
                        bool replace);
  /// Goes on with one. Throws Error where it is damaged or another program is writing it.
  static Journal resume(const std::filesystem::path& path);
  ~Journal();
  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;

  const std::string& identity() const;
  uint64_t rows() const;
  uint64_t bad_rows() const;
  SourcePosition position() const;
  bool complete() const;

  /// Adds a block. After a failure (no space) the blocks before it are whole. Synced to the disk
  /// where the last time is more than 400 ms ago.
  void append(std::span<const ScoreRow> rows, SourcePosition end, bool last);
  void sync();

  /// Every row from the first on, in memory that does not grow with their number.
  void for_each(const std::function<void(const ScoreRow&)>& visit) const;

  /// Removes the file: its rows are safe elsewhere.
  void remove();

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// `output` + ".journal".
std::filesystem::path journal_path(const std::filesystem::path& output);

}  // namespace oddity
