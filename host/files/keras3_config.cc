// What Keras 3 writes into the config.json of an archive, without what it takes as given.
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "files/keras_config.h"
#include "files/keras_layers.h"

namespace oddity {
namespace {

using Json = nlohmann::json;

/// A value that flows: its shape without the batch, and the layer that gives it.
struct Flow {
  std::vector<int64_t> shape;
  std::string layer;
};

Json batch_shape(const std::vector<int64_t>& shape) {
  Json extents = Json::array({nullptr});
  for (const int64_t extent : shape) extents.push_back(extent);
  return extents;
}

/// A call of a layer on one value.
Json called_on(const Flow& input) {
  return Json::array({{{"args", Json::array({{{"class_name", "__keras_tensor__"},
                                              {"config",
                                               {{"shape", batch_shape(input.shape)},
                                                {"dtype", "float32"},
                                                {"keras_history", {input.layer, 0, 0}}}}}})},
                       {"kwargs", Json::object()}}});
}

Json input_layer(const Flow& input) {
  return {{"module", "keras.layers"},
          {"class_name", "InputLayer"},
          {"config",
           {{"batch_shape", batch_shape(input.shape)},
            {"dtype", "float32"},
            {"sparse", false},
            {"name", input.layer}}},
          {"registered_name", nullptr},
          {"name", input.layer},
          {"inbound_nodes", Json::array()}};
}

Json functional(const std::string& name, const Json& parts, const std::string& in,
                const std::string& out) {
  return {{"module", "keras.src.models.functional"},
          {"class_name", "Functional"},
          {"config",
           {{"name", name},
            {"trainable", true},
            {"layers", parts},
            {"input_layers", {in, 0, 0}},
            {"output_layers", {out, 0, 0}}}},
          {"registered_name", "Functional"}};
}

/// The shape that a layer gives; vectors have one extent.
std::vector<int64_t> output_shape(const Layer& layer) {
  const bool vector = layer.kind == LayerKind::flatten || layer.kind == LayerKind::dense;
  if (vector) return {layer.output.channels};
  return {layer.output.height, layer.output.width, layer.output.channels};
}

Json layer_config(const Layer& layer, const std::string& name) {
  Json settings = {{"name", name}, {"trainable", true}, {"dtype", "float32"}};
  for (const KerasAttribute& attribute : keras_attributes(layer)) {
    if (!attribute.written) continue;
    // A list of one axis is Keras 2's.
    const bool list = std::string(attribute.name) == "axis";
    settings[attribute.keras3_name != nullptr ? attribute.keras3_name : attribute.name] =
        list ? attribute.value.front() : attribute.value;
  }
  return settings;
}

}  // namespace

std::string keras3_config_json(const KerasConfig& config) {
  const Architecture& a = config.architecture;
  const std::vector<int64_t> image{a.height, a.width, a.depth};
  const Flow input{image, "input_layer"};
  const std::array<Flow, 2> inputs = {Flow{image, "input_layer_1"},
                                      Flow{{a.latent_dim}, "input_layer_2"}};
  std::array<Json, 2> nested;
  std::array<Flow, 2> last = inputs;
  for (size_t part = 0; part < 2; ++part) nested[part] = Json::array({input_layer(inputs[part])});
  const std::vector<Layer> all = layers(a);
  for (size_t i = 0; i < all.size(); ++i) {
    const size_t part = all[i].name.starts_with("encoder.") ? 0 : 1;
    const std::string& name = config.layer_names[i];
    nested[part].push_back({{"module", "keras.layers"},
                            {"class_name", keras_class(all[i].kind)},
                            {"config", layer_config(all[i], name)},
                            {"registered_name", nullptr},
                            {"build_config", {{"input_shape", batch_shape(last[part].shape)}}},
                            {"name", name},
                            {"inbound_nodes", called_on(last[part])}});
    last[part] = {output_shape(all[i]), name};
  }
  Json encoder = functional(config.encoder, nested[0], inputs[0].layer, last[0].layer);
  encoder["name"] = config.encoder;
  encoder["inbound_nodes"] = called_on(input);
  Json decoder = functional(config.decoder, nested[1], inputs[1].layer, last[1].layer);
  decoder["name"] = config.decoder;
  decoder["inbound_nodes"] = called_on({{a.latent_dim}, config.encoder});
  return functional("autoencoder", Json::array({input_layer(input), encoder, decoder}), input.layer,
                    config.decoder)
      .dump();
}

}  // namespace oddity
