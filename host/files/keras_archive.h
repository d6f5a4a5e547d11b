// The Keras 3 archive, .keras: a zip of config.json, metadata.json and model.weights.h5.
#pragma once

#include <filesystem>
#include <string>

#include "files/model_file.h"

namespace oddity {

/// Reads an archive of Keras 3, or of tf_keras, which arranges it alike. Throws Error, also where a
/// member holds more than `limit` bytes.
ModelFile read_keras_archive(const std::filesystem::path& path, size_t limit);

/// The bytes of an archive that Keras 3 loads and that predicts the same there. The weights' file
/// also has the group of model_record.h, which Keras does not look at. The same model gives the
/// same bytes.
std::string keras_archive_bytes(const ModelFile& model);

}  // namespace oddity
