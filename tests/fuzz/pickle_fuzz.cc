// Pickles of one array.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "data/byte_source.h"
#include "data/numpy_array.h"
#include "data/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    oddity::PickledArray found;
    oddity::read_pickle(bytes, "fuzz", found);
    oddity::read_array_images(*oddity::view_bytes(found.numbers, "fuzz"), found.array);
  } catch (const oddity::Error&) {
  }
  return 0;
}
