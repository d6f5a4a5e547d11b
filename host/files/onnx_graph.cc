#include "files/onnx_graph.h"

#include <onnx/onnx_pb.h>

#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "files/onnx_model.h"
#include "model/weights.h"

namespace oddity {
namespace {

// 16 filters make 108 nodes and 204 arrays.
constexpr int kMaxNodes = 1000;
constexpr int kMaxConstants = 1000;
constexpr int kMaxInputs = 8;
constexpr int kMaxAttributes = 16;
constexpr int kMaxRank = 4;
constexpr int64_t kMaxExtent = int64_t{1} << 31;

/// Types that arrays may have, by their number in ONNX, as indices of kOnnxTypeNames.
size_t type_index(int type, const std::string& where) {
  switch (type) {
    case onnx::TensorProto::UINT8:
      return 0;
    case onnx::TensorProto::UINT16:
      return 1;
    case onnx::TensorProto::INT64:
      return 2;
    case onnx::TensorProto::FLOAT:
      return 3;
    case onnx::TensorProto::DOUBLE:
      return 4;
    case onnx::TensorProto::BOOL:
      return 5;
    default:
      throw Error("ONNX: {} is of type {}, which is not supported", where, type);
  }
}

int64_t checked_extent(int64_t extent, const std::string& where) {
  if (extent < 1 || extent > kMaxExtent) {
    throw Error("ONNX: {} has an extent of {}, 1 to {} was expected", where, extent, kMaxExtent);
  }
  return extent;
}

void check_count(const char* what, int count, int most) {
  if (count > most) throw Error("ONNX: {} {}, at most {} are supported", count, what, most);
}

void check_model(const onnx::ModelProto& model) {
  if (model.ir_version() != kOnnxIrVersion) {
    throw Error("ONNX: IR version {}, only {} is supported", model.ir_version(), kOnnxIrVersion);
  }
  if (model.opset_import_size() != 1 || !model.opset_import(0).domain().empty() ||
      model.opset_import(0).version() != kOnnxOpset) {
    throw Error("ONNX: only operators of opset {} are supported, and of no other domain",
                kOnnxOpset);
  }
  if (model.functions_size() > 0 || model.training_info_size() > 0) {
    throw Error("ONNX: functions and training are not supported");
  }
  if (model.graph().sparse_initializer_size() > 0) {
    throw Error("ONNX: sparse arrays are not supported");
  }
}

/// The raw bytes of an array as numbers.
template <typename T>
std::vector<T> numbers(const std::string& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

OnnxTensor constant(const onnx::TensorProto& proto, const std::string& where) {
  if (proto.data_location() != onnx::TensorProto::DEFAULT || proto.external_data_size() > 0) {
    throw Error("ONNX: {} lies in another file, which is not supported", where);
  }
  check_count("extents", proto.dims_size(), kMaxRank);
  OnnxTensor tensor;
  const std::string& bytes = proto.raw_data();
  uint64_t count = 1;
  for (const int64_t extent : proto.dims()) {
    tensor.shape.push_back(checked_extent(extent, where));
    count *= static_cast<uint64_t>(extent);
    // Before it can overflow: no array is larger than its file.
    if (count > bytes.size()) count = bytes.size() + 1;
  }
  size_t size = 0;
  switch (type_index(proto.data_type(), where)) {
    case 2:
      tensor.values = numbers<int64_t>(bytes);
      size = sizeof(int64_t);
      break;
    case 3:
      tensor.values = numbers<float>(bytes);
      size = sizeof(float);
      break;
    case 4:
      tensor.values = numbers<double>(bytes);
      size = sizeof(double);
      break;
    default:
      throw Error("ONNX: {} is neither int64, float32 nor float64", where);
  }
  if (bytes.size() != count * size) {
    throw Error("ONNX: {} is {}, but {} bytes of raw data", where, extents_text(tensor.shape),
                bytes.size());
  }
  return tensor;
}

OnnxAttribute attribute(const onnx::AttributeProto& proto, const std::string& where) {
  constexpr int kMaxList = 8;
  switch (proto.type()) {
    case onnx::AttributeProto::INT:
      return proto.i();
    case onnx::AttributeProto::FLOAT:
      return proto.f();
    case onnx::AttributeProto::INTS:
      check_count("numbers in an attribute", proto.ints_size(), kMaxList);
      return std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
    default:
      throw Error(
          "ONNX: {}: attribute {} is neither a whole number, a float nor a list of the "
          "first",
          where, shown_onnx_name(proto.name()));
  }
}

/// Gives numbers to names, each once.
class Names {
 public:
  void define(const std::string& name) {
    if (name.empty()) throw Error("ONNX: a value has no name");
    if (!numbers_.emplace(name, numbers_.size()).second) {
      throw Error("ONNX: {} is defined twice", shown_onnx_name(name));
    }
  }
  size_t find(const std::string& name, const std::string& where) const {
    const auto found = numbers_.find(name);
    if (found == numbers_.end()) {
      throw Error("ONNX: {} reads {}, which nothing before it gives", where, shown_onnx_name(name));
    }
    return found->second;
  }

 private:
  std::map<std::string, size_t> numbers_;
};

OnnxNode node(const onnx::NodeProto& proto, const Names& names) {
  OnnxNode made{.name = {}, .type = proto.op_type(), .inputs = {}, .attributes = {}};
  if (proto.output_size() != 1) {
    throw Error("ONNX: an operator {} has {} outputs, only 1 is supported",
                shown_onnx_name(made.type), proto.output_size());
  }
  made.name = proto.output(0);
  const std::string where = shown_onnx_name(made.name);
  if (!proto.domain().empty()) {
    throw Error("ONNX: {}: operators of the domain {} are not supported", where,
                shown_onnx_name(proto.domain()));
  }
  check_count("inputs of an operator", proto.input_size(), kMaxInputs);
  for (const std::string& input : proto.input()) made.inputs.push_back(names.find(input, where));
  check_count("attributes of an operator", proto.attribute_size(), kMaxAttributes);
  for (const onnx::AttributeProto& given : proto.attribute()) {
    if (!made.attributes.emplace(given.name(), attribute(given, where)).second) {
      throw Error("ONNX: {}: attribute {} is given twice", where, shown_onnx_name(given.name()));
    }
  }
  return made;
}

/// Type and extents after the first, which must be free.
OnnxOutput declared(const onnx::ValueInfoProto& info) {
  const std::string where = shown_onnx_name(info.name());
  const onnx::TypeProto::Tensor& tensor = info.type().tensor_type();
  OnnxOutput made{.value = 0, .type = type_index(tensor.elem_type(), where), .shape = {}};
  const auto& extents = tensor.shape().dim();
  check_count("extents", extents.size(), kMaxRank);
  if (extents.empty() || extents[0].dim_param().empty()) {
    throw Error("ONNX: {} does not leave the number of images free", where);
  }
  for (int i = 1; i < extents.size(); ++i) {
    made.shape.push_back(checked_extent(extents[i].dim_value(), where));
  }
  return made;
}

void take_input(OnnxGraph& graph, const onnx::GraphProto& proto, Names& names) {
  if (proto.input_size() != 1) {
    throw Error("ONNX: {} inputs, only one, the images, is supported", proto.input_size());
  }
  const OnnxOutput input = declared(proto.input(0));
  if (input.shape.size() != 3) {
    throw Error("ONNX: the images have {} extents, [N,H,W,C] was expected", input.shape.size() + 1);
  }
  constexpr PixelType kTypes[] = {PixelType::u8, PixelType::u16, PixelType::f32, PixelType::f32};
  if (input.type > 3 || input.type == 2) {
    throw Error("ONNX: the images are {}, uint8, uint16 or float32 was expected",
                kOnnxTypeNames[input.type]);
  }
  graph.input_type = kTypes[input.type];
  graph.image = {input.shape[0], input.shape[1], input.shape[2]};
  names.define(proto.input(0).name());
}

}  // namespace

std::string shown_onnx_name(std::string_view name) {
  constexpr size_t kMost = 60;  // the whole of a hostile one would fill the terminal
  return printable(std::string(name.substr(0, kMost)) + (name.size() > kMost ? "..." : ""));
}

OnnxGraph parse_onnx(std::string_view bytes) {
  if (bytes.size() > kMaxOnnxFile) {
    throw Error("ONNX: {} bytes, an ONNX file holds at most {}", bytes.size(), kMaxOnnxFile);
  }
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw Error("not an ONNX model, or a damaged one");
  }
  check_model(model);
  const onnx::GraphProto& proto = model.graph();
  check_count("nodes", proto.node_size(), kMaxNodes);
  check_count("arrays", proto.initializer_size(), kMaxConstants);
  check_count("outputs", proto.output_size(), kMaxInputs);

  OnnxGraph graph;
  Names names;
  for (const onnx::TensorProto& array : proto.initializer()) {
    names.define(array.name());
    graph.constants.push_back(constant(array, shown_onnx_name(array.name())));
  }
  take_input(graph, proto, names);
  for (const onnx::NodeProto& given : proto.node()) {
    graph.nodes.push_back(node(given, names));
    names.define(graph.nodes.back().name);
  }
  for (const onnx::ValueInfoProto& given : proto.output()) {
    OnnxOutput output = declared(given);
    output.value = names.find(given.name(), "the outputs' list");
    if (!graph.outputs.emplace(given.name(), std::move(output)).second) {
      throw Error("ONNX: output {} is listed twice", shown_onnx_name(given.name()));
    }
  }
  for (const auto& entry : model.metadata_props()) graph.metadata[entry.key()] = entry.value();
  return graph;
}

}  // namespace oddity
