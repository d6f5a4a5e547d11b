// The blocks of a journal: rows as bytes that can be told whole from torn, and read again in
// constant memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "detect/score_table.h"
#include "images/image_stream.h"

namespace oddity {

/// Reads a part of a file forward, in pieces. Throws Error where the file cannot be read or ends
/// before the part does.
class PartReader {
 public:
  /// Bytes [begin, end) of the open `file`; `path` is for messages and outlives the reader.
  PartReader(int file, const std::filesystem::path& path, uint64_t begin, uint64_t end);

  uint64_t left() const { return end_ - at_ + piece_.size(); }
  /// The next bytes, `limit` of them or fewer, at least one where any are left and asked for. They
  /// are valid until the next call.
  std::string_view some(uint64_t limit);
  /// The next `bytes`, at most left().
  void read(void* out, uint64_t bytes);

 private:
  int file_;
  const std::filesystem::path& path_;
  uint64_t at_;  // in the file, behind `piece_`
  uint64_t end_;
  std::string buffer_;
  std::string_view piece_;  // of the buffer: read and not given yet
};

/// Rows as a block, little-endian: u32 bytes of the payload, u32 rows, u64 entries and u64 paths
/// (the SourcePosition behind the last row), u8 last, u64 XXH3 of all these; the payload, a row
/// after the other; u64 XXH3 of everything before it. A row: u8 status; f32 score where ok, else
/// varint length and reason; varint length and path. Throws Error where a score is not finite.
std::string encode_block(std::span<const ScoreRow> rows, SourcePosition end, bool last);

/// Where a block of a file lies, and what its first bytes say.
struct Block {
  bool whole = false;  // else only `end` means something
  uint64_t payload = 0;
  uint64_t payload_end = 0;
  /// Where the next block begins. Of a block that is not whole: where it would end as far as that
  /// is known, at most the end of the file; behind it there is something else.
  uint64_t end = 0;
  uint32_t rows = 0;
  SourcePosition position;
  bool last = false;
};

/// The block that begins at byte `at` of a file of `size` bytes. Memory is taken for no length that
/// the file states.
Block find_block(int file, const std::filesystem::path& path, uint64_t at, uint64_t size);

/// Gives every row of a whole block to `visit`. Throws Error where the payload is not made of rows,
/// although its checksum is right.
void visit_rows(int file, const std::filesystem::path& path, const Block& block,
                const std::function<void(const ScoreRow&)>& visit);

}  // namespace oddity
