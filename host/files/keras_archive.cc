#include "files/keras_archive.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "files/keras_config.h"
#include "files/keras_hdf5.h"
#include "files/model_record.h"
#include "files/zip.h"

namespace oddity {
namespace {

// The version whose layout this is. The date is nobody's: the same model is to give the same bytes.
constexpr const char* kWrittenAs = "3.15.1";
constexpr const char* kDate = "1980-01-01@00:00:00";

/// The version in metadata.json; it is only told, so anything else there is no reason to refuse.
std::string keras_version(const std::string& metadata) {
  constexpr size_t kMost = 4096;  // Keras writes 64 bytes
  if (metadata.size() > kMost) return "unknown version";
  const auto json = nlohmann::json::parse(metadata, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("keras_version")) return "unknown version";
  const nlohmann::json& version = json["keras_version"];
  return version.is_string() ? printable(version.get<std::string>()) : "unknown version";
}

}  // namespace

ModelFile read_keras_archive(const std::filesystem::path& path, size_t limit) {
  std::map<std::string, std::string> members;
  for (auto& [name, bytes] :
       read_zip(path, {"config.json", "metadata.json", "model.weights.h5"}, limit)) {
    members[name] = std::move(bytes);
  }
  const auto member = [&](const char* name) -> std::string& {
    const auto found = members.find(name);
    if (found == members.end()) {
      throw Error("{} is a zip without {}: a Keras archive was expected", printable(path), name);
    }
    return found->second;
  };
  try {
    const Architecture architecture = parse_keras_config(member("config.json")).architecture;
    const Hdf5Reader file(std::move(member("model.weights.h5")));
    std::optional<ModelRecord> record = read_model_record(file);
    Weights weights = read_keras_archive_weights(file, architecture);
    check_weights(weights, architecture);
    if (record) check_fit(*record, architecture);
    std::string format =
        record ? fmt::format("Oddity's Keras archive ({})", printable(record->version))
               : fmt::format("Keras archive ({})", keras_version(members["metadata.json"]));
    return {architecture, std::move(weights), std::move(record), std::move(format)};
  } catch (const Error& error) {
    throw Error("{}: {}", printable(path), error.what());
  }
}

std::string keras_archive_bytes(const ModelFile& model) {
  check_weights(model.weights, model.architecture);
  Hdf5Writer file;
  write_keras_archive_weights(file, model.architecture, model.weights);
  if (model.record) {
    write_model_record(file, *model.record);
    check_fit(*model.record, model.architecture);
  }
  const nlohmann::json metadata = {{"keras_version", kWrittenAs}, {"date_saved", kDate}};
  return zip_bytes({{"metadata.json", metadata.dump()},
                    {"config.json", keras3_config_json(default_keras_config(model.architecture))},
                    {"model.weights.h5", file.finish()}});
}

}  // namespace oddity
