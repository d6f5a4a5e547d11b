#include "detect/journal_block.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>

#include "core/error.h"
#include "core/hash.h"
#include "core/system_calls.h"
#include "core/text.h"

namespace oddity {
namespace fs = std::filesystem;
namespace {

static_assert(std::endian::native == std::endian::little, "numbers go to the file as they are");

constexpr uint64_t kPiece = 1 << 16;
constexpr size_t kHash = sizeof(uint64_t);
constexpr size_t kHeader = 4 + 4 + 8 + 8 + 1 + kHash;

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename T>
T take(std::string_view& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

void put_text(std::string& out, std::string_view text) {
  size_t length = text.size();
  for (; length >= 0x80; length >>= 7) out += static_cast<char>(length | 0x80);
  out += static_cast<char>(length);
  out += text;
}

void put_row(std::string& out, const ScoreRow& row) {
  out += static_cast<char>(row.status);
  if (row.status == ImageStatus::ok) {
    if (!std::isfinite(row.score)) {
      throw Error("the score of {} is {}: are there NaN in the model's weights?",
                  printable(row.path), shortest(row.score));
    }
    put(out, row.score);
  } else {
    put_text(out, row.reason);
  }
  put_text(out, row.path);
}

/// False where what follows is no length and a text of it.
bool read_text(PartReader& in, std::string& text) {
  constexpr int kMaxShift = 28;  // five bytes hold every length that a block can
  uint64_t length = 0;
  for (int shift = 0;; shift += 7) {
    uint8_t byte = 0;
    if (shift > kMaxShift || in.left() == 0) return false;
    in.read(&byte, 1);
    length |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) break;
  }
  if (length > in.left()) return false;
  text.resize(length);
  in.read(text.data(), length);
  return true;
}

/// False where what follows is no row.
bool read_row(PartReader& in, ScoreRow& row) {
  uint8_t status = 0;
  if (in.left() == 0) return false;
  in.read(&status, 1);
  if (status >= kImageStatuses) return false;
  row.status = static_cast<ImageStatus>(status);
  row.score = 0;
  row.reason.clear();
  if (row.status != ImageStatus::ok) return read_text(in, row.reason) && read_text(in, row.path);
  if (in.left() < sizeof row.score) return false;
  in.read(&row.score, sizeof row.score);
  return std::isfinite(row.score) && read_text(in, row.path);
}

}  // namespace

PartReader::PartReader(int file, const fs::path& path, uint64_t begin, uint64_t end)
    : file_(file),
      path_(path),
      at_(begin),
      end_(end),
      buffer_(std::min(kPiece, end - begin), '\0') {}

std::string_view PartReader::some(uint64_t limit) {
  if (piece_.empty()) {
    const size_t wanted = std::min<uint64_t>(buffer_.size(), end_ - at_);
    const ssize_t got =
        retry([&] { return ::pread(file_, buffer_.data(), wanted, static_cast<off_t>(at_)); });
    if (got < 0) {
      throw Error("cannot read {}: {}", printable(path_), std::generic_category().message(errno));
    }
    if (got == 0 && wanted > 0) {
      throw Error("{} became shorter while it was read: let nothing else write to it",
                  printable(path_));
    }
    piece_ = std::string_view(buffer_).substr(0, static_cast<size_t>(got));
    at_ += piece_.size();
  }
  const std::string_view bytes = piece_.substr(0, limit);
  piece_.remove_prefix(bytes.size());
  return bytes;
}

void PartReader::read(void* out, uint64_t bytes) {
  for (char* to = static_cast<char*>(out); bytes > 0;) {
    const std::string_view piece = some(bytes);
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
    bytes -= piece.size();
  }
}

std::string encode_block(std::span<const ScoreRow> rows, SourcePosition end, bool last) {
  std::string block(kHeader, '\0');
  for (const ScoreRow& row : rows) put_row(block, row);
  const size_t payload = block.size() - kHeader;
  constexpr size_t kMax = std::numeric_limits<uint32_t>::max();
  if (payload > kMax || rows.size() > kMax) {
    throw Error("{} rows with their paths are {} bytes, a block of a journal holds {}", rows.size(),
                payload, kMax);
  }
  std::string header;
  put(header, static_cast<uint32_t>(payload));
  put(header, static_cast<uint32_t>(rows.size()));
  put(header, end.entries);
  put(header, end.paths);
  put(header, static_cast<uint8_t>(last));
  put(header, Hash().add(header).value());
  block.replace(0, kHeader, header);
  put(block, Hash().add(block).value());
  return block;
}

Block find_block(int file, const fs::path& path, uint64_t at, uint64_t size) {
  Block block;
  block.end = size;
  if (size - at < kHeader) return block;
  char bytes[kHeader];
  PartReader(file, path, at, at + kHeader).read(bytes, kHeader);
  const std::string_view header(bytes, kHeader);
  std::string_view fields = header;
  const auto payload = take<uint32_t>(fields);
  block.rows = take<uint32_t>(fields);
  block.position.entries = take<uint64_t>(fields);
  block.position.paths = take<uint64_t>(fields);
  const auto last = take<uint8_t>(fields);
  const auto hash = take<uint64_t>(fields);
  // Where these bytes are not what was written, nothing tells where the block ends.
  block.end = at + kHeader;
  if (hash != Hash().add(header.substr(0, kHeader - kHash)).value() || last > 1) return block;
  block.last = last == 1;
  block.payload = at + kHeader;
  block.payload_end = block.payload + payload;
  block.end = std::min(block.payload_end + kHash, size);
  if (size - block.payload < uint64_t{payload} + kHash) return block;

  Hash content;
  content.add(header);
  PartReader in(file, path, block.payload, block.end);
  while (in.left() > kHash) content.add(in.some(in.left() - kHash));
  uint64_t stored = 0;
  in.read(&stored, sizeof stored);
  block.whole = stored == content.value();
  return block;
}

void visit_rows(int file, const fs::path& path, const Block& block,
                const std::function<void(const ScoreRow&)>& visit) {
  PartReader in(file, path, block.payload, block.payload_end);
  ScoreRow row;  // one for all: its texts keep their memory
  for (uint32_t i = 0; i < block.rows; ++i) {
    if (!read_row(in, row)) {
      throw Error("{}: row {} of the block at byte {} is none: start anew with --force",
                  printable(path), i, block.payload - kHeader);
    }
    visit(row);
  }
  if (in.left() > 0) {
    throw Error("{}: {} bytes behind the {} rows of the block at byte {}: start anew with --force",
                printable(path), in.left(), block.rows, block.payload - kHeader);
  }
}

}  // namespace oddity
