// Checkpoints of a training.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "support/memory_file.h"
#include "train/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const oddity::test::MemoryFile file({reinterpret_cast<const char*>(data), size});
  try {
    const oddity::Checkpoint checkpoint = oddity::read_checkpoint(file.path());
    // What was accepted could have been written.
    oddity::write_checkpoint("/dev/null", checkpoint);
  } catch (const oddity::Error&) {
  }
  return 0;
}
