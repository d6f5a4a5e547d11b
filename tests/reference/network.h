// The whole autoencoder of any Architecture in float64: activations, gradients, training steps.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "model/weights.h"
#include "reference/adam.h"
#include "reference/layers.h"

namespace oddity::reference {

/// Which moments batch normalisation uses: the moving ones or those of the batch.
enum class Mode { inference, training };

/// One forward pass, with everything it computed.
struct Pass {
  Batch images;
  std::map<std::string, Batch> outputs;  // of each layer, by name
  Batch reconstruction;
  Values scores;    // mean squared error of each image
  double loss = 0;  // their mean
};

class Network {
 public:
  Network(const Architecture& architecture, const Weights& weights);

  Pass run(const Batch& images, Mode mode) const;
  /// Images from latent vectors, inference mode.
  Batch decode(const Batch& latent) const;
  /// Gradients of the loss of a pass in training mode, for every trainable tensor.
  Parameters gradients(const Pass& pass) const;
  /// One step of Adam and of the moving moments (momentum .99). Returns the pass before the step.
  Pass train_step(const Batch& images, double learning_rate);

  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }
  const Adam& adam() const { return adam_; }

 private:
  Batch forward(const Layer& layer, const Batch& x, Mode mode) const;
  /// Gradient with respect to the layer's input x; those of its tensors are added to `gradients`.
  Batch backward(const Layer& layer, const Batch& x, const Batch& y, const Batch& dy,
                 Parameters& gradients) const;
  const Values& tensor(const Layer& layer, const std::string& role) const {
    return parameters_.at(layer.name + "." + role);
  }

  std::vector<Layer> layers_;
  Parameters parameters_;
  Adam adam_;
};

}  // namespace oddity::reference
