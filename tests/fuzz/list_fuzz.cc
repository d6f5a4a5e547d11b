// Lists of paths on standard input.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "core/error.h"
#include "images/list_source.h"
#include "support/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const oddity::test::MemoryFile file({reinterpret_cast<const char*>(data), size});
  const int descriptor = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) std::abort();
  try {
    const auto source = oddity::open_list(descriptor);
    oddity::SourceBatch batch;
    while (source->next(batch, {})) {
      for (const oddity::SourceEntry& entry : batch.entries) {
        if (entry.path.empty() || entry.path.size() > oddity::kMaxListedPath) std::abort();
      }
    }
  } catch (const oddity::Error&) {
  }
  ::close(descriptor);
  return 0;
}
