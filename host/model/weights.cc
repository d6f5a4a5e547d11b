#include "model/weights.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/hash.h"
#include "core/random.h"

namespace oddity {
namespace {

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [name](std::string_view suffix) { return name.ends_with(suffix); });
}

}  // namespace

Weights::Weights(const Architecture& architecture) {
  for (TensorSpec& spec : tensor_specs(architecture)) {
    std::vector<float> zeros(static_cast<size_t>(spec.size()));
    tensors_.push_back({std::move(spec.name), std::move(spec.shape), std::move(zeros)});
  }
}

const Tensor& Weights::at(std::string_view name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [name](const Tensor& tensor) { return tensor.name == name; });
  if (found == tensors_.end()) throw Error("the weights hold no tensor {}", name);
  return *found;
}

Tensor& Weights::at(std::string_view name) {
  return const_cast<Tensor&>(static_cast<const Weights&>(*this).at(name));
}

int64_t Weights::size() const {
  int64_t count = 0;
  for (const Tensor& tensor : tensors_) count += static_cast<int64_t>(tensor.values.size());
  return count;
}

Weights initial_weights(const Architecture& architecture, uint64_t seed) {
  Weights weights(architecture);
  uint64_t stream = 0;
  for (Tensor& tensor : weights.tensors()) {
    Philox random(seed, stream++);
    if (ends_with_any(tensor.name, {".gamma", ".moving_variance"})) {
      std::fill(tensor.values.begin(), tensor.values.end(), 1.0f);
    } else if (tensor.name.ends_with(".kernel")) {
      // Glorot and Bengio 2010, equation 16; for a kernel [kh, kw, a, b] both fans count kh·kw, so
      // the order of a and b (which transposed convolutions swap) does not matter.
      const size_t rank = tensor.shape.size();
      int64_t field = 1;
      for (size_t i = 0; i + 2 < rank; ++i) field *= tensor.shape[i];
      const auto fans =
          static_cast<double>(field * (tensor.shape[rank - 2] + tensor.shape[rank - 1]));
      const auto limit = static_cast<float>(std::sqrt(6.0 / fans));
      for (float& value : tensor.values) value = (2.0f * random.uniform() - 1.0f) * limit;
    }
  }
  return weights;
}

void add(Hash& hash, const Weights& weights) {
  for (const Tensor& tensor : weights.tensors()) {
    hash.add(tensor.name).add(tensor.shape.data(), tensor.shape.size() * sizeof(int64_t));
    hash.add(tensor.values.data(), tensor.values.size() * sizeof(float));
  }
}

std::string hash_of(const Weights& weights) {
  Hash hash;
  add(hash, weights);
  return hash.text();
}

std::string extents_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ","));
}

void check_weights(const Weights& weights, const Architecture& architecture) {
  const std::vector<TensorSpec> specs = tensor_specs(architecture);
  if (weights.tensors().size() != specs.size()) {
    throw Error("the architecture has {} weight tensors, the weights hold {}", specs.size(),
                weights.tensors().size());
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    const Tensor& tensor = weights.tensors()[i];
    if (tensor.name != specs[i].name || tensor.shape != specs[i].shape ||
        tensor.values.size() != static_cast<size_t>(specs[i].size())) {
      throw Error("weight tensor {} should be {} {}, but is {} {} with {} values", i, specs[i].name,
                  extents_text(specs[i].shape), tensor.name, extents_text(tensor.shape),
                  tensor.values.size());
    }
    const auto bad = std::find_if_not(tensor.values.begin(), tensor.values.end(),
                                      [](float value) { return std::isfinite(value); });
    if (bad != tensor.values.end()) {
      throw Error(
          "weight tensor {} holds {} at position {}: the model is damaged or diverged while "
          "training; train it again",
          tensor.name, *bad, bad - tensor.values.begin());
    }
  }
}

}  // namespace oddity
