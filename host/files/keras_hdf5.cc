#include "files/keras_hdf5.h"

#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "files/keras_layers.h"

namespace oddity {
namespace {

// The last Keras 2: loaders look at the major version to know the layout of a file.
constexpr const char* kWrittenAs = "2.15.0";

/// Splits encoder.conv1.kernel into encoder.conv1 and kernel.
std::pair<std::string, std::string> split_name(const std::string& tensor) {
  const size_t dot = tensor.rfind('.');
  return {tensor.substr(0, dot), tensor.substr(dot + 1)};
}

/// What the file calls the layers: our name → its name.
std::map<std::string, std::string> file_names(const KerasConfig& config) {
  std::map<std::string, std::string> names;
  const std::vector<Layer> all = layers(config.architecture);
  for (size_t i = 0; i < all.size(); ++i) names[all[i].name] = config.layer_names[i];
  return names;
}

/// The arrays of one nested model: "conv2d/kernel" → its path. Keras lists them in the attribute
/// weight_names, as conv2d/kernel:0 (Keras 2) or conv2d/kernel (Keras 3).
std::map<std::string, std::string> listed_arrays(const Hdf5Reader& file, const std::string& group) {
  std::map<std::string, std::string> paths;
  for (const std::string& name : file.texts(group, "weight_names")) {
    const size_t variable = name.rfind('/');
    const size_t layer =
        variable == name.npos || variable == 0 ? name.npos : name.rfind('/', variable - 1);
    std::string key = name.substr(layer == name.npos ? 0 : layer + 1);
    if (key.ends_with(":0")) key.resize(key.size() - 2);
    if (!paths.emplace(key, fmt::format("{}/{}", group, name)).second) {
      throw Error("{} lists {} twice", printable(group), printable(key));
    }
  }
  return paths;
}

/// Where model.weights.h5 keeps each tensor of tensor_specs():
/// layers/functional/layers/conv2d_1/vars/0 is the kernel of the second Conv2D of the encoder, the
/// first Functional.
std::vector<std::string> archive_places(const Architecture& architecture) {
  std::map<std::string, std::string> folders;  // of each layer
  std::map<std::pair<bool, LayerKind>, int> seen;
  for (const Layer& layer : layers(architecture)) {
    const bool decoder = layer.name.starts_with("decoder.");
    const int before = seen[{decoder, layer.kind}]++;
    folders[layer.name] =
        fmt::format("layers/functional{}/layers/{}{}/vars", decoder ? "_1" : "",
                    keras_base_name(layer.kind), before == 0 ? "" : fmt::format("_{}", before));
  }
  std::vector<std::string> places;
  std::map<std::string, int> variables;
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    const std::string& folder = folders.at(split_name(spec.name).first);
    places.push_back(fmt::format("{}/{}", folder, variables[folder]++));
  }
  return places;
}

}  // namespace

Tensor read_tensor(const Hdf5Reader& file, const std::string& path, const TensorSpec& spec) {
  const Hdf5Reader::Array array = file.array(path);
  if (array.type != "float32") {
    throw Error("array {} is {}, only float32 is supported: save the model with float32 weights",
                printable(path), array.type);
  }
  if (array.shape != spec.shape) {
    throw Error("array {} is {}, the model's configuration needs {}", printable(path),
                extents_text(array.shape), extents_text(spec.shape));
  }
  // Only now: the file does hold that many bytes.
  Tensor tensor{spec.name, spec.shape, std::vector<float>(array.bytes.size() / sizeof(float))};
  std::memcpy(tensor.values.data(), array.bytes.data(), array.bytes.size());
  return tensor;
}

KerasConfig read_keras_config(const Hdf5Reader& file) {
  if (!file.has_attribute("", "model_config")) {
    throw Error("{}", file.has("model_weights") || file.has_attribute("", "layer_names")
                          ? "holds weights without a model: save it with model.save()"
                          : "is HDF5, but not a Keras model: attribute model_config is missing");
  }
  return parse_keras_config(file.text("", "model_config"));
}

Weights read_keras_weights(const Hdf5Reader& file, const KerasConfig& config) {
  const std::map<std::string, std::string> names = file_names(config);
  std::map<std::string, std::map<std::string, std::string>> arrays;
  arrays["encoder"] = listed_arrays(file, "model_weights/" + config.encoder);
  arrays["decoder"] = listed_arrays(file, "model_weights/" + config.decoder);

  Weights weights;
  const std::vector<TensorSpec> specs = tensor_specs(config.architecture);
  for (const TensorSpec& spec : specs) {
    const auto [layer, variable] = split_name(spec.name);
    const auto& listed = arrays.at(layer.substr(0, layer.find('.')));
    const std::string key = fmt::format("{}/{}", names.at(layer), variable);
    const auto found = listed.find(key);
    if (found == listed.end()) throw Error("weight {} is missing", printable(key));
    weights.tensors().push_back(read_tensor(file, found->second, spec));
  }
  const size_t count = arrays["encoder"].size() + arrays["decoder"].size();
  if (count != specs.size()) {
    throw Error("holds {} weight arrays, the model's configuration needs {}", count, specs.size());
  }
  return weights;
}

Weights read_keras_archive_weights(const Hdf5Reader& file, const Architecture& architecture) {
  Weights weights;
  const std::vector<std::string> places = archive_places(architecture);
  const std::vector<TensorSpec> specs = tensor_specs(architecture);
  for (size_t i = 0; i < specs.size(); ++i) {
    weights.tensors().push_back(read_tensor(file, places[i], specs[i]));
  }
  return weights;
}

void write_keras_archive_weights(Hdf5Writer& file, const Architecture& architecture,
                                 const Weights& weights) {
  std::set<std::string> groups;
  const std::vector<std::string> places = archive_places(architecture);
  for (size_t i = 0; i < places.size(); ++i) {
    const std::string& place = places[i];
    for (size_t slash = place.find('/'); slash != place.npos; slash = place.find('/', slash + 1)) {
      const std::string group = place.substr(0, slash);
      if (groups.insert(group).second) file.group(group);
    }
    const Tensor& tensor = weights.tensors()[i];
    file.array(place, tensor.shape, tensor.values);
  }
}

void write_keras_model(Hdf5Writer& file, const Architecture& architecture, const Weights& weights) {
  const KerasConfig config = default_keras_config(architecture);
  const std::map<std::string, std::string> names = file_names(config);
  file.attribute("", "backend", "tensorflow");
  file.attribute("", "keras_version", kWrittenAs);
  file.attribute("", "model_config", keras_config_json(config));
  file.group("model_weights");
  file.attribute("model_weights", "backend", "tensorflow");
  file.attribute("model_weights", "keras_version", kWrittenAs);
  file.attribute("model_weights", "layer_names",
                 std::vector<std::string>{config.encoder, config.decoder});

  const std::vector<TensorSpec> specs = tensor_specs(architecture);
  for (const std::string& part : {config.encoder, config.decoder}) {
    const std::string group = "model_weights/" + part;
    file.group(group);
    // Keras reads by position in this list: what is trained first, moving statistics behind.
    std::vector<std::string> trained, moving;
    std::string last_layer;
    for (size_t i = 0; i < specs.size(); ++i) {
      const auto [layer, variable] = split_name(specs[i].name);
      if (!layer.starts_with(part + ".")) continue;
      const std::string name = fmt::format("{}/{}:0", names.at(layer), variable);
      if (layer != last_layer) file.group(fmt::format("{}/{}", group, names.at(layer)));
      last_layer = layer;
      file.array(fmt::format("{}/{}", group, name), specs[i].shape, weights.tensors()[i].values);
      (specs[i].trainable ? trained : moving).push_back(name);
    }
    trained.insert(trained.end(), moving.begin(), moving.end());
    file.attribute(group, "weight_names", trained);
  }
}

}  // namespace oddity
