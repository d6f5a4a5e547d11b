// Journals of scoring runs. The input as it is, and as payloads of blocks whose checksums are
// right: no mutation would ever find those.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/hash.h"
#include "detect/journal.h"

namespace {

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

void add_hash(std::string& bytes, size_t begin) {
  const uint64_t hash = oddity::Hash().add(std::string_view(bytes).substr(begin)).value();
  bytes += bytes_of(hash);
}

/// A journal of blocks that take what `input` holds: a byte of rows, one of the length of the
/// payload, the payload.
std::string journal_of(std::string_view input) {
  std::string bytes = "ODDITYJ1";
  bytes += bytes_of(uint32_t{0});
  add_hash(bytes, 0);
  while (input.size() >= 2) {
    const auto rows = static_cast<uint8_t>(input[0]);
    const std::string_view payload = input.substr(2, static_cast<uint8_t>(input[1]));
    const size_t begin = bytes.size();
    bytes += bytes_of(static_cast<uint32_t>(payload.size()));
    bytes += bytes_of(uint32_t{rows});
    bytes.append(16, '\0');  // the position
    bytes += static_cast<char>(rows == 3);
    add_hash(bytes, begin);
    bytes += payload;
    add_hash(bytes, begin);
    input.remove_prefix(2 + payload.size());
  }
  return bytes;
}

/// What is read must be the same the second time, and nothing more may be cut off.
void read_twice(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);  // writing over a file may wait for the disk
  std::ofstream(path, std::ios::binary) << bytes;
  uint64_t rows = 0;
  try {
    const auto journal = oddity::Journal::resume(path);
    journal.for_each([&](const oddity::ScoreRow&) { ++rows; });
    if (rows != journal.rows()) std::abort();
  } catch (const oddity::Error&) {
    return;
  }
  const auto size = std::filesystem::file_size(path);
  if (oddity::Journal::resume(path).rows() != rows) std::abort();
  if (std::filesystem::file_size(path) != size || !oddity::Journal::begun(path)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                            ("oddity-journal-fuzz-" + std::to_string(::getpid()));
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read_twice(path, input);
  read_twice(path, journal_of(input));
  std::filesystem::remove(path);
  return 0;
}
