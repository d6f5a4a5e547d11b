// The weights of a network as named host tensors: what files, engines and tests exchange.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/architecture.h"

namespace oddity {

class Hash;

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
  friend bool operator==(const Tensor&, const Tensor&) = default;
};

/// Tensors in the order of tensor_specs(), float32, in Keras' layouts.
class Weights {
 public:
  Weights() = default;
  /// All zero, shaped for `architecture`.
  explicit Weights(const Architecture& architecture);

  /// Throws Error where there is no tensor of that name.
  Tensor& at(std::string_view name);
  const Tensor& at(std::string_view name) const;

  std::vector<Tensor>& tensors() { return tensors_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }
  /// Numbers in all tensors.
  int64_t size() const;
  friend bool operator==(const Weights&, const Weights&) = default;

 private:
  std::vector<Tensor> tensors_;
};

/// Adam's state. `first` and `second` moments have the tensors of the weights; the moving
/// statistics of batch normalisation stay zero there. `step` counts the steps made.
struct OptimizerState {
  Weights first;
  Weights second;
  int64_t step = 0;
};

/// Glorot uniform kernels (±sqrt(6/(fan_in+fan_out)), receptive field counted in both), zero
/// biases, gamma and moving variance 1, beta and moving mean 0. Tensor i draws from Philox(seed,
/// stream i), i its position in tensor_specs().
Weights initial_weights(const Architecture& architecture, uint64_t seed);

/// Adds names, shapes and values to a fingerprint.
void add(Hash& hash, const Weights& weights);
/// A fingerprint of names, shapes and values: two models of one hash compute the same.
std::string hash_of(const Weights& weights);

/// [3,3,1,32], for messages.
std::string extents_text(const std::vector<int64_t>& shape);

/// Throws Error where names, shapes or counts are not those of `architecture`, or a value is not
/// finite, naming the tensor.
void check_weights(const Weights& weights, const Architecture& architecture);

}  // namespace oddity
