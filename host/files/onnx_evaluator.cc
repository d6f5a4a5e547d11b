#include "files/onnx_evaluator.h"

#include <cstring>
#include <limits>
#include <utility>

#include "core/error.h"
#include "model/weights.h"

namespace oddity {
namespace {

template <typename T>
OnnxTensor::Values copied(const std::byte* data, size_t count) {
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), data, count * sizeof(T));
  return values;
}

OnnxTensor tensor_of(const ImageView& images, size_t numbers) {
  const ImageShape& image = images.shape;
  OnnxTensor tensor{{static_cast<int64_t>(images.count), image.height, image.width, image.channels},
                    {}};
  switch (images.type) {
    case PixelType::u8:
      tensor.values = copied<uint8_t>(images.data, numbers);
      break;
    case PixelType::u16:
      tensor.values = copied<uint16_t>(images.data, numbers);
      break;
    case PixelType::f32:
      tensor.values = copied<float>(images.data, numbers);
      break;
  }
  return tensor;
}

size_t size_of(const OnnxTensor& tensor) {
  return std::visit([](const auto& values) { return values.size(); }, tensor.values);
}

}  // namespace

/// The values of a run that are not constants, from the images on.
struct OnnxEvaluator::Computed {
  explicit Computed(const OnnxLimits& limits) : budget(limits) {}

  void release(size_t value) {
    budget.release(size_of(values[value]));
    values[value].values = std::vector<float>();
  }

  OnnxBudget budget;
  std::vector<OnnxTensor> values;
};

OnnxEvaluator::OnnxEvaluator(std::string_view bytes, const OnnxLimits& limits)
    : graph_(parse_onnx(bytes)), limits_(limits) {
  last_use_.resize(graph_.images() + 1 + graph_.nodes.size());
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const OnnxNode& node = graph_.nodes[i];
    operators_.push_back(find_onnx_operator(node.type));
    if (operators_.back() == nullptr) {
      throw Error("ONNX: {}: there is no operator {} here", shown_onnx_name(node.name),
                  shown_onnx_name(node.type));
    }
    for (const size_t input : node.inputs) last_use_[input] = i;
    last_use_[graph_.images() + 1 + i] = i;  // where nothing reads it
  }
  for (const auto& [name, output] : graph_.outputs) check_output(name, output);
  for (const char* name : {"reconstruction", "score"}) {
    if (!graph_.outputs.contains(name)) throw Error("ONNX: output {} is missing", name);
  }
}

void OnnxEvaluator::check_output(const std::string& name, const OnnxOutput& output) {
  const ImageShape& image = graph_.image;
  const std::map<std::string, std::pair<size_t, std::vector<int64_t>>> known = {
      {"reconstruction", {kOnnxFloat32, {image.height, image.width, image.channels}}},
      {"score", {kOnnxFloat32, {}}},
      {"outlier", {kOnnxBool, {}}}};
  const auto found = known.find(name);
  if (found == known.end()) throw Error("ONNX: there is no output {} here", shown_onnx_name(name));
  const auto& [type, shape] = found->second;
  if (output.type != type || output.shape != shape) {
    throw Error("ONNX: output {} is declared as {} {} of an image, {} {} was expected", name,
                kOnnxTypeNames[output.type], extents_text(output.shape), kOnnxTypeNames[type],
                extents_text(shape));
  }
  if (output.value <= graph_.images()) throw Error("ONNX: output {} is not computed", name);
  last_use_[output.value] = std::numeric_limits<size_t>::max();
}

OnnxTensor OnnxEvaluator::take(Computed& computed, const OnnxOutput& output,
                               const char* name) const {
  OnnxTensor tensor = std::move(computed.values[output.value - graph_.images()]);
  std::vector<int64_t> shape{computed.values[0].shape[0]};
  shape.insert(shape.end(), output.shape.begin(), output.shape.end());
  if (tensor.values.index() != output.type || tensor.shape != shape) {
    throw Error("ONNX: output {} is {} {}, declared is {} {}", name,
                kOnnxTypeNames[tensor.values.index()], extents_text(tensor.shape),
                kOnnxTypeNames[output.type], extents_text(shape));
  }
  return tensor;
}

OnnxResult OnnxEvaluator::run(const ImageView& images) const {
  if (images.type != graph_.input_type || images.shape != graph_.image) {
    throw Error("ONNX: the file takes {} images of {}, these are {} of {}",
                name_of(graph_.input_type), to_string(graph_.image), name_of(images.type),
                to_string(images.shape));
  }
  Computed computed(limits_);
  const size_t numbers =
      computed.budget.claim({static_cast<int64_t>(images.count), images.shape.height,
                             images.shape.width, images.shape.channels},
                            "ONNX: the images");
  computed.values.push_back(tensor_of(images, numbers));
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const OnnxNode& node = graph_.nodes[i];
    std::vector<const OnnxTensor*> inputs;
    inputs.reserve(node.inputs.size());
    for (const size_t value : node.inputs) {
      inputs.push_back(value < graph_.images() ? &graph_.constants[value]
                                               : &computed.values[value - graph_.images()]);
    }
    OnnxTensor made = operators_[i]({node, inputs, computed.budget});
    computed.values.push_back(std::move(made));
    for (size_t value = 0; value < computed.values.size(); ++value) {
      if (last_use_[graph_.images() + value] == i) computed.release(value);
    }
  }
  const auto values = [&]<typename T>(const char* name, std::vector<T>& into) {
    into = std::get<std::vector<T>>(take(computed, graph_.outputs.at(name), name).values);
  };
  OnnxResult result;
  values("reconstruction", result.reconstruction);
  values("score", result.score);
  if (has_outlier()) values("outlier", result.outlier.emplace());
  return result;
}

}  // namespace oddity
