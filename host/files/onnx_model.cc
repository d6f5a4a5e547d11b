#include "files/onnx_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "data/variation.h"

namespace oddity {
namespace {

using Extents = std::vector<int64_t>;

/// Adds to a graph; names are those of layers and tensors (architecture.h).
class Builder {
 public:
  explicit Builder(onnx::GraphProto& graph) : graph_(graph) {}

  /// A node whose output, the one value it gives, is named as itself.
  onnx::NodeProto& node(const char* type, const std::string& name,
                        std::initializer_list<std::string> inputs) {
    onnx::NodeProto& made = *graph_.add_node();
    made.set_op_type(type);
    made.set_name(name);
    for (const std::string& input : inputs) made.add_input(input);
    made.add_output(name);
    return made;
  }

  /// An array that lies in the file; no extents: one number.
  template <typename T>
  std::string constant(const std::string& name, const Extents& shape, std::span<const T> values) {
    onnx::TensorProto& made = *graph_.add_initializer();
    made.set_name(name);
    made.set_data_type(std::is_same_v<T, float>    ? onnx::TensorProto::FLOAT
                       : std::is_same_v<T, double> ? onnx::TensorProto::DOUBLE
                                                   : onnx::TensorProto::INT64);
    for (const int64_t extent : shape) made.add_dims(extent);
    made.set_raw_data(values.data(), values.size_bytes());
    return name;
  }
  template <typename T>
  std::string constant(const std::string& name, T value) {
    return constant<T>(name, {}, {&value, 1});
  }

 private:
  onnx::GraphProto& graph_;
};

onnx::AttributeProto& attribute(onnx::NodeProto& node, const char* name) {
  onnx::AttributeProto& made = *node.add_attribute();
  made.set_name(name);
  return made;
}

void set(onnx::NodeProto& node, const char* name, float value) {
  onnx::AttributeProto& made = attribute(node, name);
  made.set_type(onnx::AttributeProto::FLOAT);
  made.set_f(value);
}

void set(onnx::NodeProto& node, const char* name, int64_t value) {
  onnx::AttributeProto& made = attribute(node, name);
  made.set_type(onnx::AttributeProto::INT);
  made.set_i(value);
}

void set(onnx::NodeProto& node, const char* name, const Extents& values) {
  onnx::AttributeProto& made = attribute(node, name);
  made.set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) made.add_ints(value);
}

onnx::TensorProto::DataType onnx_type(PixelType type) {
  return type == PixelType::u8    ? onnx::TensorProto::UINT8
         : type == PixelType::u16 ? onnx::TensorProto::UINT16
                                  : onnx::TensorProto::FLOAT;
}

/// An input or output: N, which is free, and the extents of one image.
void describe(onnx::ValueInfoProto& value, const char* name, onnx::TensorProto::DataType type,
              const Extents& extents) {
  value.set_name(name);
  onnx::TypeProto::Tensor& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  tensor.mutable_shape()->add_dim()->set_dim_param("N");
  for (const int64_t extent : extents) tensor.mutable_shape()->add_dim()->set_dim_value(extent);
}

/// A kernel [3,3,a,b] as [b,a,3,3]: what ONNX calls [out,in,3,3] for Conv, where a kernel of Keras
/// is [3,3,in,out], and [in,out,3,3] for ConvTranspose, where it is [3,3,out,in].
std::vector<float> taps_last(const Tensor& kernel) {
  const auto a = static_cast<size_t>(kernel.shape[2]);
  const auto b = static_cast<size_t>(kernel.shape[3]);
  std::vector<float> turned(kernel.values.size());
  for (size_t tap = 0; tap < 9; ++tap) {
    for (size_t i = 0; i < a; ++i) {
      for (size_t k = 0; k < b; ++k) {
        turned[(k * a + i) * 9 + tap] = kernel.values[(tap * a + i) * b + k];
      }
    }
  }
  return turned;
}

/// Adds the network, from pixels in [0,1] to their reconstruction, both [N,H,W,C].
class NetworkBuilder {
 public:
  NetworkBuilder(Builder& graph, const Weights& weights) : graph_(graph), weights_(weights) {}

  void add(const Architecture& architecture, const std::string& pixels) {
    value_ = pixels;
    to_channels_first("images.nchw");
    for (const Layer& layer : layers(architecture)) add(layer);
    to_channels_last("reconstruction");
  }

 private:
  void to_channels_first(const std::string& name) { transpose(name, {0, 3, 1, 2}); }
  void to_channels_last(const std::string& name) { transpose(name, {0, 2, 3, 1}); }
  void transpose(const std::string& name, const Extents& order) {
    set(graph_.node("Transpose", name, {value_}), "perm", order);
    value_ = name;
  }

  std::string tensor(const Layer& layer, const char* role) {
    const Tensor& found = weights_.at(fmt::format("{}.{}", layer.name, role));
    return graph_.constant<float>(found.name, found.shape, found.values);
  }

  void convolution(const Layer& layer, const char* type) {
    const Tensor& kernel = weights_.at(layer.name + ".kernel");
    const std::string turned = graph_.constant<float>(
        kernel.name, {kernel.shape[3], kernel.shape[2], 3, 3}, taps_last(kernel));
    onnx::NodeProto& node = graph_.node(type, layer.name, {value_, turned, tensor(layer, "bias")});
    set(node, "kernel_shape", Extents{3, 3});
    // Keras' 'same': at stride 2, on even extents, none before and one after.
    const int64_t before = layer.stride == 1 ? 1 : 0;
    set(node, "pads", Extents{before, before, 1, 1});
    set(node, "strides", Extents{layer.stride, layer.stride});
  }

  void add(const Layer& layer) {
    switch (layer.kind) {
      case LayerKind::conv2d:
        convolution(layer, "Conv");
        break;
      case LayerKind::conv2d_transpose:
        convolution(layer, "ConvTranspose");
        break;
      case LayerKind::leaky_relu:
        set(graph_.node("LeakyRelu", layer.name, {value_}), "alpha", kLeakyReluSlope);
        break;
      case LayerKind::batch_norm:
        set(graph_.node("BatchNormalization", layer.name,
                        {value_, tensor(layer, "gamma"), tensor(layer, "beta"),
                         tensor(layer, "moving_mean"), tensor(layer, "moving_variance")}),
            "epsilon", kBatchNormEpsilon);
        break;
      case LayerKind::flatten:
        to_channels_last(layer.name + ".nhwc");  // the order that Keras flattens in
        set(graph_.node("Flatten", layer.name, {value_}), "axis", int64_t{1});
        break;
      case LayerKind::dense:
        graph_.node("Gemm", layer.name, {value_, tensor(layer, "kernel"), tensor(layer, "bias")});
        break;
      case LayerKind::reshape: {
        // 0: as it is, N.
        const Extents shape{0, layer.output.height, layer.output.width, layer.output.channels};
        const std::string name = graph_.constant<int64_t>(layer.name + ".shape", {4}, shape);
        graph_.node("Reshape", layer.name, {value_, name});
        value_ = layer.name;
        to_channels_first(layer.name + ".nchw");
        return;
      }
      case LayerKind::sigmoid:
        graph_.node("Sigmoid", layer.name, {value_});
        break;
    }
    value_ = layer.name;
  }

  Builder& graph_;
  const Weights& weights_;
  std::string value_;  // what the next node reads
};

/// Adds the scaling to [0,1], by one float32 division as engines do it; returns the pixels' name.
std::string add_scaling(Builder& graph, PixelType type) {
  if (type == PixelType::f32) return "images";
  set(graph.node("Cast", "images.float", {"images"}), "to", int64_t{onnx::TensorProto::FLOAT});
  const std::string largest =
      graph.constant("images.largest", type == PixelType::u8 ? 255.0f : 65535.0f);
  graph.node("Div", "images.scaled", {"images.float", largest});
  return "images.scaled";
}

/// Adds a score, by a rule, of pixels and their reconstruction.
class ScoreBuilder {
 public:
  ScoreBuilder(Builder& graph, int64_t channels) : graph_(graph), channels_(channels) {}

  void add(const ScoreRule& rule, const std::string& pixels) {
    graph_.node("Sub", "score.error", {pixels, "reconstruction"});
    if (rule.kind == ScoreKind::mse) {
      mean_square("score", "score.error");
      return;
    }
    channels_first("score.error.nchw", "score.error");
    filter("score.smoothed", "score.error.nchw",
           {1 / 16.0f, 2 / 16.0f, 1 / 16.0f, 2 / 16.0f, 4 / 16.0f, 2 / 16.0f, 1 / 16.0f, 2 / 16.0f,
            1 / 16.0f},
           {1, 1, 1, 1});
    mean_square("score.mean", "score.smoothed");
    variation(rule, pixels);
    graph_.node("Div", "score", {"score.mean", "score.variation"});
  }

 private:
  void channels_first(const std::string& name, const std::string& input) {
    set(graph_.node("Transpose", name, {input}), "perm", Extents{0, 3, 1, 2});
  }

  void over_an_image(const char* type, const std::string& name, const std::string& input) {
    onnx::NodeProto& node = graph_.node(type, name, {input});
    set(node, "axes", Extents{1, 2, 3});
    set(node, "keepdims", int64_t{0});
  }

  void mean_square(const std::string& name, const std::string& input) {
    graph_.node("Mul", input + ".squared", {input, input});
    over_an_image("ReduceMean", name, input + ".squared");
  }

  /// The same 3x3 taps for each channel.
  void filter(const std::string& name, const std::string& input, const std::array<float, 9>& taps,
              const Extents& pads) {
    const auto channels = static_cast<size_t>(channels_);
    std::vector<float> kernel(channels * channels * taps.size());
    for (size_t c = 0; c < channels; ++c) {
      std::copy(taps.begin(), taps.end(),
                kernel.begin() + static_cast<ptrdiff_t>(c * (channels + 1) * taps.size()));
    }
    const std::string weights =
        graph_.constant<float>(name + ".kernel", {channels_, channels_, 3, 3}, kernel);
    const std::string bias =
        graph_.constant<float>(name + ".bias", {channels_}, std::vector<float>(channels));
    onnx::NodeProto& node = graph_.node("Conv", name, {input, weights, bias});
    set(node, "kernel_shape", Extents{3, 3});
    set(node, "pads", pads);
    set(node, "strides", Extents{1, 1});
  }

  /// max(TV, floor). Without padding on one side the differences are those of neighbours that there
  /// are.
  void variation(const ScoreRule& rule, const std::string& pixels) {
    channels_first("score.pixels", pixels);
    filter("score.across", "score.pixels", {0, 0, 0, 0, -1, 1, 0, 0, 0}, {1, 1, 1, 0});
    filter("score.down", "score.pixels", {0, 0, 0, 0, -1, 0, 0, 1, 0}, {1, 1, 0, 1});
    over_an_image("ReduceL1", "score.across.sum", "score.across");
    over_an_image("ReduceL1", "score.down.sum", "score.down");
    graph_.node("Add", "score.differences", {"score.across.sum", "score.down.sum"});
    const std::string least =
        graph_.constant("score.variation.least", static_cast<float>(kLeastVariation));
    graph_.node("Add", "score.variation.image", {"score.differences", least});
    const std::string floor =
        graph_.constant("score.variation.floor", static_cast<float>(rule.variation_floor));
    graph_.node("Max", "score.variation", {"score.variation.image", floor});
  }

  Builder& graph_;
  int64_t channels_;
};

void add_outlier(Builder& graph, double threshold) {
  set(graph.node("Cast", "outlier.score", {"score"}), "to", int64_t{onnx::TensorProto::DOUBLE});
  const std::string limit = graph.constant("outlier.threshold", threshold);
  graph.node("GreaterOrEqual", "outlier", {"outlier.score", limit});
}

void add_metadata(onnx::ModelProto& model, const char* key, const std::string& value) {
  onnx::StringStringEntryProto& entry = *model.add_metadata_props();
  entry.set_key(key);
  entry.set_value(value);
}

void add_metadata(onnx::ModelProto& model, const ModelFile& from,
                  const std::optional<OnnxThreshold>& threshold, const ScoreRule& rule) {
  model.set_producer_name("oddity");
  model.set_producer_version(ODDITY_VERSION);
  const Architecture& architecture = from.architecture;
  model.set_doc_string(fmt::format(
      "Convolutional autoencoder of {}, filters {}, latent {}. score: {}; the higher, the odder "
      "the image.{}",
      to_string(architecture.image()), fmt::join(architecture.filters, " "),
      architecture.latent_dim,
      rule.kind == ScoreKind::mse
          ? "mean squared error of the reconstruction"
          : "mean square of the smoothed error per total variation of the image",
      threshold ? " outlier: score >= threshold." : ""));
  add_metadata(model, "weights", hash_of(from.weights));
  add_metadata(model, "preprocessing",
               describe(from.record ? from.record->preprocessing : Preprocessing{}));
  add_metadata(model, "score_rule", std::string(name_of(rule.kind)));
  if (!threshold) return;
  add_metadata(model, "threshold", shortest(threshold->value));
  add_metadata(model, "threshold_origin", threshold->origin);
}

void check_size(const Architecture& architecture) {
  constexpr int64_t kBesidesWeights = int64_t{1} << 20;  // names and shapes take less
  int64_t weights = 0;
  for (const TensorSpec& spec : tensor_specs(architecture)) weights += spec.size();
  const int64_t bytes = weights * int64_t{sizeof(float)};
  if (bytes <= int64_t{kMaxOnnxFile} - kBesidesWeights) return;
  throw Error(
      "the model's {} weights take {} bytes, an ONNX file holds at most {}: write it with --to "
      "keras, or train a smaller one",
      with_thousands(weights), with_thousands(bytes), with_thousands(int64_t{kMaxOnnxFile}));
}

}  // namespace

PixelType input_type(const ModelFile& model) {
  if (!model.record) return PixelType::u8;
  for (const PixelType type : {PixelType::u8, PixelType::u16}) {
    if (model.record->input_type == name_of(type)) return type;
  }
  return PixelType::f32;
}

std::string onnx_model(const ModelFile& model, const std::optional<OnnxThreshold>& threshold,
                       const ScoreRule& rule) {
  check_size(model.architecture);
  check_weights(model.weights, model.architecture);
  onnx::ModelProto made;
  made.set_ir_version(kOnnxIrVersion);
  made.add_opset_import()->set_version(kOnnxOpset);
  add_metadata(made, model, threshold, rule);

  onnx::GraphProto& proto = *made.mutable_graph();
  proto.set_name("oddity");
  const ImageShape image = model.architecture.image();
  const Extents extents{image.height, image.width, image.channels};
  describe(*proto.add_input(), "images", onnx_type(input_type(model)), extents);
  describe(*proto.add_output(), "reconstruction", onnx::TensorProto::FLOAT, extents);
  describe(*proto.add_output(), "score", onnx::TensorProto::FLOAT, {});
  if (threshold) describe(*proto.add_output(), "outlier", onnx::TensorProto::BOOL, {});

  Builder graph(proto);
  const std::string pixels = add_scaling(graph, input_type(model));
  NetworkBuilder(graph, model.weights).add(model.architecture, pixels);
  ScoreBuilder(graph, image.channels).add(rule, pixels);
  if (threshold) add_outlier(graph, threshold->value);
  return made.SerializeAsString();
}

}  // namespace oddity
