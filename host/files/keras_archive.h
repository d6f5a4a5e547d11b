// The Keras 3 archive, .keras: a zip of config.json, metadata.json and model.weights.h5.
#pragma once

#include <filesystem>

#include "files/model_file.h"

namespace oddity {

/// Reads an archive of Keras 3, or of tf_keras, which arranges it alike. Throws Error, also where a
/// member holds more than `limit` bytes.
ModelFile read_keras_archive(const std::filesystem::path& path, size_t limit);

}  // namespace oddity
