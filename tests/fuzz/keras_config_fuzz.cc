// Keras' JSON description of a model.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "files/keras_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::optional<oddity::KerasConfig> config;
  try {
    config = oddity::parse_keras_config({reinterpret_cast<const char*>(data), size});
  } catch (const oddity::Error&) {
    return 0;
  }
  // What was accepted can be written and read again.
  const auto again = oddity::parse_keras_config(
      oddity::keras_config_json(oddity::default_keras_config(config->architecture)));
  if (again.architecture != config->architecture) std::abort();
  return 0;
}
