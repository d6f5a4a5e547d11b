// NPY headers, and the same bytes as images and as integers.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "data/byte_source.h"
#include "data/numpy_array.h"
#include "files/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    oddity::parse_npy(bytes, "fuzz");
  } catch (const oddity::Error&) {
  }
  for (const bool as_images : {true, false}) {
    try {
      const auto source = oddity::view_bytes(bytes, "fuzz");
      const oddity::NpyHeader header = oddity::read_npy_header(*source);
      if (as_images) {
        oddity::read_array_images(*source, header);
      } else {
        oddity::read_array_integers(*source, header);
      }
    } catch (const oddity::Error&) {
    }
  }
  return 0;
}
