#include "support/golden_cases.h"

#include <algorithm>

#include "support/npy_file.h"

namespace oddity::test {

Architecture mnist_architecture() { return conv_autoencoder(28, 28, 1); }

std::vector<SmallCase> small_cases() {
  std::vector<SmallCase> cases = {
      {"small/h10w14c2_f4_l3_b5", conv_autoencoder(14, 10, 2, {4}, 3), {}},
      {"small/h32w24c3_f8-16-24_l5_b3", conv_autoencoder(24, 32, 3, {8, 16, 24}, 5), {}},
  };
  for (SmallCase& c : cases) c.images = {c.architecture.image(), golden_values(c.folder + "/x")};
  return cases;
}

Weights golden_weights(const Architecture& architecture, const std::string& folder) {
  Weights weights(architecture);
  for (Tensor& tensor : weights.tensors()) {
    auto file = read_npy_file<float>(golden(folder + "/" + tensor.name + ".npy"));
    if (file.shape != tensor.shape) throw std::runtime_error(tensor.name + " has another shape");
    tensor.values = std::move(file.values);
  }
  return weights;
}

std::vector<float> golden_values(const std::string& name) {
  return read_npy_file<float>(golden(name + ".npy")).values;
}

TestImages<float> golden_forward_images() {
  return {mnist_architecture().image(), golden_values("forward/x")};
}

TestImages<uint8_t> golden_step_images() {
  return {mnist_architecture().image(), read_npy_file<uint8_t>(golden("step/x_u8.npy")).values};
}

double golden_learning_rate(int64_t step) { return 1e-3 / (1 + 5e-5 * static_cast<double>(step)); }

std::vector<std::string> golden_names(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden(folder))) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace oddity::test
