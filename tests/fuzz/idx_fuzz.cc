// IDX images and labels, plain and gzip.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "data/dataset.h"
#include "support/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const oddity::test::MemoryFile file({reinterpret_cast<const char*>(data), size});
  try {
    oddity::read_dataset(file.path());
  } catch (const oddity::Error&) {
  }
  try {
    oddity::read_labelled_idx(file.path(), file.path());
  } catch (const oddity::Error&) {
  }
  return 0;
}
