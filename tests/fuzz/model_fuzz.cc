// Model files: Keras HDF5, archives and ours.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "files/model_file.h"
#include "support/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const oddity::test::MemoryFile file({reinterpret_cast<const char*>(data), size});
  try {
    const oddity::ModelFile model = oddity::read_model(file.path());
    // What was accepted is a whole model.
    oddity::check_weights(model.weights, model.architecture);
  } catch (const oddity::Error&) {
  }
  return 0;
}
