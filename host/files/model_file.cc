#include "files/model_file.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "files/atomic_file.h"
#include "files/hdf5_reader.h"
#include "files/hdf5_writer.h"
#include "files/keras_archive.h"
#include "files/keras_hdf5.h"
#include "files/model_record.h"

namespace oddity {
namespace {

// The largest model: 2^31 weights.
constexpr size_t kMaxModelFile = size_t{8} << 30;
// What a member of an archive may hold, however small the archive.
constexpr size_t kMinMemberLimit = size_t{16} << 20;

std::string format_name(const Hdf5Reader& file, const std::optional<ModelRecord>& record) {
  if (record) return fmt::format("Oddity's Keras HDF5 ({})", printable(record->version));
  if (!file.has_attribute("", "keras_version")) return "Keras HDF5";
  const std::string version = file.text("", "keras_version");
  return fmt::format("Keras HDF5 ({} {})", version.starts_with("2.") ? "tf_keras" : "Keras",
                     printable(version));
}

ModelFile read_hdf5_model(std::string bytes) {
  const Hdf5Reader file(std::move(bytes));
  if (file.has(kTrainingStateGroup)) {
    throw Error(
        "is the checkpoint of an unfinished training: finish it with oddity train --resume");
  }
  ModelFile model;
  model.record = read_model_record(file);  // first: it knows whether this program reads the file
  const KerasConfig config = read_keras_config(file);
  model.architecture = config.architecture;
  model.weights = read_keras_weights(file, config);
  check_weights(model.weights, model.architecture);
  if (model.record) check_fit(*model.record, model.architecture);
  model.format = format_name(file, model.record);
  return model;
}

}  // namespace

ModelFile read_model(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (std::filesystem::is_directory(status)) {
    throw Error("{} is a folder, a model is a file: save it from Keras as model.h5 or model.keras",
                printable(path));
  }
  // A device or pipe may never end.
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw Error("{} is not a regular file: a Keras model was expected", printable(path));
  }
  std::string bytes = read_file(path, kMaxModelFile);
  if (bytes.empty()) throw Error("{} is empty: a Keras model was expected", printable(path));
  if (bytes.starts_with("PK")) {
    // Keras stores without compression; weights that somebody compressed shrink by a few per cent.
    const size_t limit = std::max(kMinMemberLimit, 2 * bytes.size());
    bytes = {};
    return read_keras_archive(path, limit);
  }
  if (!Hdf5Reader::recognises(bytes)) {
    throw Error("{} is not a Keras model: neither HDF5 (.h5, .model) nor a Keras archive (.keras)",
                printable(path));
  }
  try {
    return read_hdf5_model(std::move(bytes));
  } catch (const Error& error) {
    throw Error("{}: {}", printable(path), error.what());
  }
}

std::string model_bytes(const ModelFile& model, ModelFormat format) {
  if (format == ModelFormat::keras_archive) return keras_archive_bytes(model);
  check_weights(model.weights, model.architecture);
  Hdf5Writer file;
  write_keras_model(file, model.architecture, model.weights);
  if (model.record) {
    write_model_record(file, *model.record);
    check_fit(*model.record, model.architecture);
  }
  return file.finish();
}

void write_model(const std::filesystem::path& path, const ModelFile& model) {
  write_file(path, model_bytes(model, ModelFormat::keras_hdf5));
}

}  // namespace oddity
