#include "files/keras_archive.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "files/keras_config.h"
#include "files/keras_hdf5.h"
#include "files/zip.h"

namespace oddity {
namespace {

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
    Weights weights = read_keras_archive_weights(file, architecture);
    check_weights(weights, architecture);
    return {architecture, std::move(weights), std::nullopt,
            fmt::format("Keras archive ({})", keras_version(members["metadata.json"]))};
  } catch (const Error& error) {
    throw Error("{}: {}", printable(path), error.what());
  }
}

}  // namespace oddity
