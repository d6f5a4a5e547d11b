// Keras' description of a model, JSON, to an Architecture and back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/architecture.h"

namespace oddity {

/// A model's architecture and what its parts are called in its file.
struct KerasConfig {
  Architecture architecture;
  std::string encoder;  // names of the two nested models
  std::string decoder;
  std::vector<std::string> layer_names;  // of each of layers(architecture)
};

/// Understands what Keras 2 (tf_keras) and Keras 3 write for the reference's autoencoder: a
/// Functional model of an input, an encoder and a decoder. Layers are recognised by order and
/// class, since their names vary; every attribute that changes what the model computes is verified.
/// Throws Error naming the layer, the attribute and both values where anything else is found.
KerasConfig parse_keras_config(std::string_view json);

/// The description that tf_keras and Keras 3 both understand, with the layers named as a fresh
/// Keras names them, which makes them unique over both nested models.
std::string keras_config_json(const KerasConfig& config);

/// The same as only Keras 3 understands it: config.json of a .keras archive.
std::string keras3_config_json(const KerasConfig& config);

/// How write_model names the parts.
KerasConfig default_keras_config(const Architecture& architecture);

}  // namespace oddity
