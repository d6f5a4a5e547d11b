#include "files/keras_layers.h"

#include <cmath>
#include <string_view>

namespace oddity {

using Json = nlohmann::json;
namespace {

// As Keras writes them.
constexpr double kMomentum = 0.99;
constexpr double kEpsilon = 0.001;
static_assert(static_cast<float>(kMomentum) == kBatchNormMomentum);
static_assert(static_cast<float>(kEpsilon) == kBatchNormEpsilon);

// [3] and -1 are 3, the last of the axes N, H, W, C.
int64_t axis(const Json& value) {
  const Json& number = value.is_array() && value.size() == 1 ? value.front() : value;
  if (!number.is_number_integer()) return 0;
  return number == -1 ? 3 : number.get<int64_t>();
}

}  // namespace

const char* keras_class(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv2d:
      return "Conv2D";
    case LayerKind::leaky_relu:
      return "LeakyReLU";
    case LayerKind::batch_norm:
      return "BatchNormalization";
    case LayerKind::flatten:
      return "Flatten";
    case LayerKind::dense:
      return "Dense";
    case LayerKind::reshape:
      return "Reshape";
    case LayerKind::conv2d_transpose:
      return "Conv2DTranspose";
    case LayerKind::sigmoid:
      return "Activation";
  }
  return "";
}

const char* keras_base_name(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv2d:
      return "conv2d";
    case LayerKind::leaky_relu:
      return "leaky_re_lu";
    case LayerKind::batch_norm:
      return "batch_normalization";
    case LayerKind::flatten:
      return "flatten";
    case LayerKind::dense:
      return "dense";
    case LayerKind::reshape:
      return "reshape";
    case LayerKind::conv2d_transpose:
      return "conv2d_transpose";
    case LayerKind::sigmoid:
      return "activation";
  }
  return "";
}

std::vector<KerasAttribute> keras_attributes(const Layer& layer) {
  const Json channels = layer.output.channels;
  // A default that is no value of ours: the attribute must be there.
  const Json none = nullptr;
  switch (layer.kind) {
    case LayerKind::conv2d:
    case LayerKind::conv2d_transpose: {
      std::vector<KerasAttribute> attributes = {
          {"filters", channels, none},
          {"kernel_size", {3, 3}, none},
          {"strides", {layer.stride, layer.stride}, {1, 1}},
          {"padding", "same", "valid"},
          {"data_format", "channels_last", "channels_last"},
          {"dilation_rate", {1, 1}, {1, 1}},
          {"activation", "linear", "linear"},
          {"use_bias", true, true},
      };
      const bool transposed = layer.kind == LayerKind::conv2d_transpose;
      attributes.push_back({"groups", 1, 1, nullptr, /*written=*/!transposed});
      if (transposed) attributes.push_back({"output_padding", nullptr, nullptr});
      return attributes;
    }
    case LayerKind::leaky_relu:
      return {{"alpha", kLeakyReluSlope, 0.3, "negative_slope"}};
    case LayerKind::batch_norm:
      return {
          {"axis", Json::array({3}), Json::array({3})},
          {"momentum", kMomentum, kMomentum},
          {"epsilon", kEpsilon, kEpsilon},
          {"center", true, true},
          {"scale", true, true},
          {"renorm", false, false, nullptr, /*written=*/false},
          {"virtual_batch_size", nullptr, nullptr, nullptr, /*written=*/false},
      };
    case LayerKind::flatten:
      return {{"data_format", "channels_last", "channels_last"}};
    case LayerKind::dense:
      return {
          {"units", channels, none},
          {"activation", "linear", "linear"},
          {"use_bias", true, true},
          {"quantization_config", nullptr, nullptr, nullptr, /*written=*/false},
      };
    case LayerKind::reshape:
      return {
          {"target_shape", {layer.output.height, layer.output.width, layer.output.channels}, none}};
    case LayerKind::sigmoid:
      return {{"activation", "sigmoid", none}};
  }
  return {};
}

bool accepts(const KerasAttribute& attribute, const Json& found) {
  const Json& wanted = attribute.value;
  if (std::string_view(attribute.name) == "axis") return axis(found) == axis(wanted);
  if (wanted.is_number_float() && found.is_number()) {
    // Some versions write the float32 next to the number.
    return std::abs(found.get<double>() - wanted.get<double>()) <= 1e-7 * wanted.get<double>();
  }
  return found == wanted;
}

}  // namespace oddity
