// What Keras calls our layers and which attributes make them what they are: the one table that
// reading and writing share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/architecture.h"

namespace oddity {

/// An attribute of a layer's configuration.
struct KerasAttribute {
  const char* name;            // as Keras 2 writes it
  nlohmann::json value;        // what it must be
  nlohmann::json when_absent;  // Keras' default, which holds where a version leaves it out
  const char* keras3_name = nullptr;
  bool written = true;  // false: some version of Keras does not know it
};

/// Keras' class: "Conv2D".
const char* keras_class(LayerKind kind);
/// How Keras names objects of the class: "conv2d", then "conv2d_1", "conv2d_2", …
const char* keras_base_name(LayerKind kind);
std::vector<KerasAttribute> keras_attributes(const Layer& layer);

/// Whether `found` means what the attribute must be.
bool accepts(const KerasAttribute& attribute, const nlohmann::json& found);

}  // namespace oddity
