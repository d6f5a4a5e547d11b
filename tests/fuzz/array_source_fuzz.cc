// Arrays of images as sources: all rows, read and passed over.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "images/array_source.h"
#include "support/memory_file.h"

/// The first byte chooses the format.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto format = static_cast<oddity::ArrayFormat>(data[0] % 4);
  const oddity::test::MemoryFile file({reinterpret_cast<const char*>(data + 1), size - 1});
  try {
    const auto source = oddity::open_array(file.path(), format, "row");
    oddity::SourceBatch batch;
    uint64_t entries = 0;
    while (source->next(batch, {.entries = 1000, .bytes = 100000})) {
      entries += batch.entries.size();
      for (const oddity::SourceEntry& entry : batch.entries) {
        if (entry.offset + entry.size > batch.bytes.size()) std::abort();
      }
    }
    const auto skipped =
        oddity::open_array(file.path(), format, "row")->skip(UINT64_MAX, [](const std::string&) {});
    if (skipped != entries) std::abort();
  } catch (const oddity::Error&) {
  }
  return 0;
}
