// The autoencoder in float64 and plain loops, from Keras' layouts: what `oddity selftest` holds
// whole devices against. Written to be believed on reading, not to be fast.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "model/weights.h"

namespace oddity {

class ReferenceNetwork {
 public:
  /// Throws Error where the weights are not those of `architecture`.
  ReferenceNetwork(const Architecture& architecture, const Weights& weights);

  /// Inference mode (moving statistics). Images are [n, H, W, C] in [0,1].
  std::vector<double> encode(std::span<const double> images) const;  // [n, latent_dim]
  std::vector<double> decode(std::span<const double> latent) const;  // [n, H, W, C] in (0,1)
  std::vector<double> reconstruct(std::span<const double> images) const;
  /// Mean over each image's numbers of (x − reconstruction)² [n].
  std::vector<double> scores(std::span<const double> images) const;

  /// The same with batch normalisation by the statistics of the batch: what a training step
  /// minimises the mean of.
  std::vector<double> training_errors(std::span<const double> images) const;
  double training_loss(std::span<const double> images) const;

  /// The numbers of a tensor ("encoder.conv1.kernel"), to be changed. Throws Error where there is
  /// none of that name.
  std::vector<double>& tensor(const std::string& name);
  const std::vector<double>& tensor(const std::string& name) const;

 private:
  enum class Mode { inference, training };

  std::vector<double> run(std::span<const Layer> layers, std::vector<double> x, Mode mode) const;
  std::vector<double> errors(std::span<const double> images, Mode mode) const;

  Architecture architecture_;
  std::vector<Layer> layers_;
  size_t encoder_layers_ = 0;
  std::vector<std::string> names_;
  std::vector<std::vector<double>> tensors_;
};

}  // namespace oddity
