// The rows of a scoring run that are finished, kept beside the output until it is whole: what a
// crash, a kill or a full disk cannot take back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "detect/score_table.h"
#include "images/image_stream.h"

namespace oddity {

/// An append-only file, for one process at a time. Layout, little-endian: "ODDITYJ1", u32 length
/// and text of the identity, XXH3 of all these as u64; then blocks (detect/journal_block.h). The
/// end of the file that is not a whole block was being written when the program or the machine
/// died: it does not count. A block whose checksum does not match although something follows it is
/// damage.
class Journal {
 public:
  /// Whether there is something to go on with: a file that is more than the beginning of a header,
  /// which is all that a program leaves that is killed within create(). Throws Error where it is
  /// something else, damaged at its beginning, or cannot be read.
  static bool begun(const std::filesystem::path& path);

  /// Begins a journal, on the disk when this returns; `identity` says what run it belongs to (at
  /// most 16 MiB). Throws Error where one has begun (unless `replace`), it cannot be written, or
  /// another program is writing it. Nothing is written through a symbolic link.
  static Journal create(const std::filesystem::path& path, const std::string& identity,
                        bool replace);
  /// Goes on with one that has begun(), after its last whole block. Throws Error where it is
  /// damaged or another program is writing it, and leaves it as it is then.
  static Journal resume(const std::filesystem::path& path);
  ~Journal();
  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;

  const std::string& identity() const;
  uint64_t rows() const;
  uint64_t bad_rows() const;
  SourcePosition position() const;
  bool complete() const;

  /// Adds a block; `last` completes the journal. After a failure (no space) the blocks before it
  /// are whole, and append() may be called again. Synced to the disk where the last time is more
  /// than 400 ms ago. Throws Error where it cannot be written, a score of an image that is ok is
  /// not finite, or the journal is complete.
  void append(std::span<const ScoreRow> rows, SourcePosition end, bool last);
  void sync();

  /// Every row from the first on, in memory that does not grow with their number. Throws Error
  /// where the file cannot be read or is not what was written.
  void for_each(const std::function<void(const ScoreRow&)>& visit) const;

  /// Removes the file: its rows are safe elsewhere.
  void remove();

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Writes the table of a journal's rows, whole or not at all; returns its outliers. Throws as
/// ScoreTable does.
uint64_t write_scores(const std::filesystem::path& path, const Journal& journal, double threshold);

/// `output` + ".journal".
std::filesystem::path journal_path(const std::filesystem::path& output);

}  // namespace oddity
