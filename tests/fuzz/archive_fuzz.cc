// Archives as sources of images: all that is in one, read and passed over.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "images/archive_source.h"
#include "support/memory_file.h"

namespace {

/// Reads `archive` to its end in small batches.
uint64_t read_all(const std::filesystem::path& archive, const oddity::ArchiveOptions& options) {
  const auto source = oddity::open_archive(archive, options);
  oddity::SourceBatch batch;
  uint64_t entries = 0;
  while (source->next(batch, {.entries = 3, .bytes = 1000})) {
    entries += batch.entries.size();
    for (const oddity::SourceEntry& entry : batch.entries) {
      if (entry.offset + entry.size > batch.bytes.size() || entry.size > options.largest_file) {
        std::abort();
      }
    }
  }
  return entries;
}

uint64_t skip_all(const std::filesystem::path& archive, const oddity::ArchiveOptions& options) {
  return oddity::open_archive(archive, options)->skip(UINT64_MAX, [](const std::string&) {});
}

}  // namespace

/// The first byte chooses the format.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const oddity::ArchiveOptions options{.format = static_cast<oddity::ArchiveFormat>(data[0] % 5),
                                       .prefix = {},
                                       .largest_file = 100000};
  const oddity::test::MemoryFile file({reinterpret_cast<const char*>(data + 1), size - 1});
  try {
    if (read_all(file.path(), options) != skip_all(file.path(), options)) std::abort();
  } catch (const oddity::Error&) {
  }
  return 0;
}
