// Zip archives, as data sets and by member.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "data/npz.h"
#include "files/zip.h"
#include "support/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const oddity::test::MemoryFile file({reinterpret_cast<const char*>(data), size});
  try {
    oddity::read_npz(file.path());
  } catch (const oddity::Error&) {
  }
  try {
    oddity::read_zip(file.path(), {"images.npy", "label.npy"}, /*limit=*/1 << 20);
  } catch (const oddity::Error&) {
  }
  return 0;
}
