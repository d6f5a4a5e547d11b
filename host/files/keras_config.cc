#include "files/keras_config.h"

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "files/keras_layers.h"

namespace oddity {
namespace {

using Json = nlohmann::json;

// Keras nests about ten levels; deeper text is not a model's.
constexpr int kMaxNesting = 64;
// A value in a message; the whole of a hostile one would fill the terminal.
constexpr size_t kMaxShown = 60;

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return printable(text);
}

Json parse_json(std::string_view text) {
  const auto limit = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxNesting) throw Error("model configuration: nested deeper than {}", kMaxNesting);
    return true;
  };
  try {
    return Json::parse(text, limit);
  } catch (const Json::exception& error) {
    throw Error("model configuration is not valid JSON: {}", printable(error.what()));
  }
}

/// A value of the configuration that knows where it stands, for messages.
class Node {
 public:
  Node(const Json& json, std::string where) : json_(&json), where_(std::move(where)) {}

  const Json& json() const { return *json_; }
  const std::string& where() const { return where_; }
  bool has(const char* key) const { return json_->is_object() && json_->contains(key); }
  Node operator[](const char* key) const {
    if (!has(key)) throw Error("{}: {} is missing", where_, key);
    return {json_->at(key), where_ + ": " + key};
  }
  Node at(size_t index) const {
    if (!json_->is_array() || index >= json_->size()) {
      throw Error("{} is {}, a list of more than {} was expected", where_, shown(*json_), index);
    }
    return {json_->at(index), where_};
  }
  size_t size(size_t most) const {
    if (!json_->is_array() || json_->size() > most) {
      throw Error("{} is {}, a list of at most {} was expected", where_, shown(*json_), most);
    }
    return json_->size();
  }
  std::string text() const {
    if (!json_->is_string()) throw Error("{} is {}, text was expected", where_, shown(*json_));
    return json_->get<std::string>();
  }
  int64_t extent() const {
    constexpr int64_t kMost = int64_t{1} << 40;
    if (!json_->is_number_integer() || *json_ < 1 || *json_ > kMost) {
      throw Error("{} is {}, a positive number was expected", where_, shown(*json_));
    }
    return json_->get<int64_t>();
  }
  [[noreturn]] void refuse(const std::string& supported) const {
    throw Error("{} is {}, only {} is supported", where_, shown(*json_), supported);
  }

 private:
  const Json* json_;
  std::string where_;
};

/// One entry of a model's list of layers.
struct LayerEntry {
  Node node;
  Node config;
  std::string class_name;
  std::string name;
};

std::vector<LayerEntry> layer_entries(const Node& model) {
  constexpr size_t kMaxLayers = 200;  // 16 filters make 102
  const Node list = model["config"]["layers"];
  std::vector<LayerEntry> entries;
  for (size_t i = 0; i < list.size(kMaxLayers); ++i) {
    const std::string class_name = list.at(i)["class_name"].text();
    // Its name stands inside its configuration in every version, beside it in most.
    const std::string name = list.at(i)["config"]["name"].text();
    const std::string where = fmt::format("layer {} ({})", printable(name), printable(class_name));
    const Node node(list.at(i).json(), where);
    entries.push_back({node, Node(node["config"].json(), where), class_name, name});
  }
  return entries;
}

void check_class(const LayerEntry& entry, std::string_view wanted) {
  if (entry.class_name != wanted) {
    throw Error(
        "{} stands where a {} is expected: only the autoencoder of a convolutional encoder "
        "and decoder is supported",
        entry.node.where(), wanted);
  }
}

void check_float32(const LayerEntry& entry) {
  if (!entry.config.has("dtype")) return;
  Node type = entry.config["dtype"];
  if (type.json().is_object()) type = type["config"]["name"];
  if (type.json() != "float32") type.refuse("float32");
}

// Arguments of a layer's call beside its input: they may fix `training`, which changes the result.
void check_call(const Node& arguments) {
  for (const auto& [key, value] : arguments.json().items()) {
    if (!value.is_null() && value != false) {
      throw Error("{}: called with {} = {}, which is not supported", arguments.where(),
                  printable(key), shown(value));
    }
  }
}

/// The name of the one layer that a call takes its input from.
std::string input_of(const Node& call) {
  if (call.json().is_object()) {  // Keras 3
    const Node tensors = call["args"];
    if (tensors.size(1) != 1) tensors.refuse("one input");
    if (call.has("kwargs")) check_call(call["kwargs"]);
    return tensors.at(0)["config"]["keras_history"].at(0).text();
  }
  if (call.size(1) != 1) call.refuse("one input");  // Keras 2: [name, node, tensor, arguments]
  const Node tensor = call.at(0);
  if (tensor.size(4) == 4) check_call(tensor.at(3));
  return tensor.at(0).text();
}

/// The name of the one layer that feeds `entry`, which may be called more than once, but alike.
std::string input_of(const LayerEntry& entry) {
  constexpr size_t kMaxCalls = 2;
  const Node calls = entry.node["inbound_nodes"];
  const size_t count = calls.size(kMaxCalls);
  std::string input = input_of(calls.at(0));
  for (size_t i = 1; i < count; ++i) {
    if (input_of(calls.at(i)) != input) calls.refuse("one input");
  }
  return input;
}

void check_chain(const std::vector<LayerEntry>& entries, const Node& model) {
  for (size_t i = 1; i < entries.size(); ++i) {
    const std::string input = input_of(entries[i]);
    if (input != entries[i - 1].name) {
      throw Error("{}: its input is {}, only a chain of layers is supported, where it is {}",
                  entries[i].node.where(), printable(input), printable(entries[i - 1].name));
    }
  }
  Node output = model["config"]["output_layers"];
  while (output.json().is_array()) output = output.at(0);  // [["dense", 0, 0]] or ["dense", 0, 0]
  if (output.text() != entries.back().name) {
    throw Error("{} is {}, only the last layer, {}, is supported", output.where(),
                shown(output.json()), printable(entries.back().name));
  }
}

/// The shape of one input, without the batch.
Node input_shape(const LayerEntry& input) {
  return input.config[input.config.has("batch_shape") ? "batch_shape" : "batch_input_shape"];
}

void check_input(const LayerEntry& input, const std::vector<int64_t>& extents) {
  check_class(input, "InputLayer");
  check_float32(input);
  const Node shape = input_shape(input);
  Json wanted = Json::array({shape.size(8) > 0 ? shape.at(0).json() : Json()});
  for (const int64_t extent : extents) wanted.push_back(extent);
  if (shape.json() != wanted) shape.refuse(wanted.dump());
}

void check_layer(const LayerEntry& entry, const Layer& layer) {
  check_class(entry, keras_class(layer.kind));
  check_float32(entry);
  for (const KerasAttribute& attribute : keras_attributes(layer)) {
    const char* name = attribute.keras3_name != nullptr && entry.config.has(attribute.keras3_name)
                           ? attribute.keras3_name
                           : attribute.name;
    const Json found = entry.config.has(name) ? entry.config[name].json() : attribute.when_absent;
    if (!accepts(attribute, found)) {
      throw Error("{}: {} is {}, only {} is supported", entry.node.where(), name, shown(found),
                  shown(attribute.value));
    }
  }
}

Architecture architecture_of(const std::vector<LayerEntry>& encoder) {
  const Node shape = input_shape(encoder.front());
  if (shape.size(8) != 4) shape.refuse("[null, height, width, channels]");
  std::vector<int64_t> filters;
  for (const LayerEntry& entry : encoder) {
    if (entry.class_name == "Conv2D") filters.push_back(entry.config["filters"].extent());
  }
  check_class(encoder.back(), "Dense");
  return conv_autoencoder(shape.at(2).extent(), shape.at(1).extent(), shape.at(3).extent(),
                          std::move(filters), encoder.back().config["units"].extent());
}

bool is_functional(std::string_view class_name) {
  return class_name == "Functional" || class_name == "Model";  // before TensorFlow 2.3
}

}  // namespace

KerasConfig parse_keras_config(std::string_view text) {
  const Json json = parse_json(text);
  const Node model(json, "model");
  if (const Node kind = model["class_name"]; !is_functional(kind.text())) kind.refuse("Functional");
  const std::vector<LayerEntry> parts = layer_entries(model);
  if (parts.size() != 3 || parts[0].class_name != "InputLayer" ||
      !is_functional(parts[1].class_name) || !is_functional(parts[2].class_name)) {
    throw Error(
        "model has {} layers ({}), only an input, an encoder and a decoder, both Functional "
        "models, are supported",
        parts.size(), parts.empty() ? "none" : parts[0].node.where());
  }
  check_chain(parts, model);
  const std::array<std::vector<LayerEntry>, 2> nested = {layer_entries(parts[1].node),
                                                         layer_entries(parts[2].node)};
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (nested[i].size() < 2) throw Error("{}: has no layers", parts[i + 1].node.where());
    check_class(nested[i].front(), "InputLayer");
  }

  KerasConfig config{architecture_of(nested[0]), parts[1].name, parts[2].name, {}};
  const Architecture& a = config.architecture;
  check_input(parts[0], {a.height, a.width, a.depth});
  check_input(nested[0].front(), {a.height, a.width, a.depth});
  check_input(nested[1].front(), {a.latent_dim});

  std::array<size_t, 2> next = {1, 1};
  for (const Layer& layer : layers(a)) {
    const size_t part = layer.name.starts_with("encoder.") ? 0 : 1;
    if (next[part] == nested[part].size()) {
      throw Error("{}: ends before its {} ({})", parts[part + 1].node.where(), layer.name,
                  keras_class(layer.kind));
    }
    const LayerEntry& entry = nested[part][next[part]++];
    check_layer(entry, layer);
    config.layer_names.push_back(entry.name);
  }
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (next[i] < nested[i].size()) {
      throw Error("{}: {} is one layer too many", parts[i + 1].node.where(),
                  nested[i][next[i]].node.where());
    }
    check_chain(nested[i], parts[i + 1].node);
  }
  return config;
}

KerasConfig default_keras_config(const Architecture& architecture) {
  KerasConfig config{architecture, "encoder", "decoder", {}};
  std::map<LayerKind, int> seen;
  for (const Layer& layer : layers(architecture)) {
    const int before = seen[layer.kind]++;
    const char* base = keras_base_name(layer.kind);
    config.layer_names.push_back(before == 0 ? base : fmt::format("{}_{}", base, before));
  }
  return config;
}

std::string keras_config_json(const KerasConfig& config) {
  const Architecture& a = config.architecture;
  // A call of a layer on the output of `name`'s call number `call`, as Keras 2 describes it.
  const auto called_on = [](const std::string& name, int call) {
    return Json::array({Json::array({Json::array({name, call, 0, Json::object()})})});
  };
  const auto input = [](const std::string& name, const Json& shape) {
    return Json{{"class_name", "InputLayer"},
                {"config",
                 {{"batch_input_shape", shape},
                  {"dtype", "float32"},
                  {"sparse", false},
                  {"ragged", false},
                  {"name", name}}},
                {"name", name},
                {"inbound_nodes", Json::array()}};
  };
  const auto functional = [](const std::string& name, const Json& parts, const std::string& in,
                             const std::string& out, int out_call) {
    return Json{{"class_name", "Functional"},
                {"config",
                 {{"name", name},
                  {"trainable", true},
                  {"layers", parts},
                  {"input_layers", Json::array({Json::array({in, 0, 0})})},
                  {"output_layers", Json::array({Json::array({out, out_call, 0})})}}},
                {"name", name}};
  };

  const Json image_input = input("input_1", {nullptr, a.height, a.width, a.depth});
  std::array<Json, 2> nested = {Json::array({image_input}),
                                Json::array({input("input_2", {nullptr, a.latent_dim})})};
  std::array<std::string, 2> last = {"input_1", "input_2"};
  const std::vector<Layer> all = layers(a);
  for (size_t i = 0; i < all.size(); ++i) {
    const size_t part = all[i].name.starts_with("encoder.") ? 0 : 1;
    const std::string& name = config.layer_names[i];
    Json settings = {{"name", name}, {"trainable", true}, {"dtype", "float32"}};
    for (const KerasAttribute& attribute : keras_attributes(all[i])) {
      if (attribute.written) settings[attribute.name] = attribute.value;
    }
    nested[part].push_back({{"class_name", keras_class(all[i].kind)},
                            {"config", settings},
                            {"name", name},
                            {"inbound_nodes", called_on(last[part], 0)}});
    last[part] = name;
  }
  // The decoder takes the encoder's call number 1. In Keras 2 number 0 is the call inside the
  // nested model, so that this is the first call here; Keras 3 counts the calls here from 0. Two
  // equal calls suit both: the one that is not taken is no part of the model.
  Json encoder = functional(config.encoder, nested[0], "input_1", last[0], 0);
  encoder["inbound_nodes"] = called_on("input_1", 0);
  encoder["inbound_nodes"].push_back(encoder["inbound_nodes"][0]);
  Json decoder = functional(config.decoder, nested[1], "input_2", last[1], 0);
  decoder["inbound_nodes"] = called_on(config.encoder, 1);
  Json model = functional("autoencoder", Json::array({image_input, encoder, decoder}), "input_1",
                          config.decoder, 1);
  model.erase("name");
  return model.dump();
}

}  // namespace oddity
