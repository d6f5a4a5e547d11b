#include "reference/network.h"

#include <numeric>
#include <stdexcept>

namespace oddity::reference {
namespace {

constexpr double kMomentum = 0.99;

void move_towards(Values& moving, const Values& batch) {
  for (size_t c = 0; c < moving.size(); ++c) {
    moving[c] = kMomentum * moving[c] + (1 - kMomentum) * batch[c];
  }
}

}  // namespace

Network::Network(const Architecture& architecture, const Weights& weights)
    : layers_(layers(architecture)) {
  for (const Tensor& t : weights.tensors()) {
    parameters_[t.name] = Values(t.values.begin(), t.values.end());
  }
}

Batch Network::forward(const Layer& layer, const Batch& x, Mode mode) const {
  switch (layer.kind) {
    case LayerKind::conv2d:
      return conv2d(x, tensor(layer, "kernel"), tensor(layer, "bias"), layer.stride);
    case LayerKind::conv2d_transpose:
      return conv2d_transpose(x, tensor(layer, "kernel"), tensor(layer, "bias"), layer.stride);
    case LayerKind::dense:
      return dense(x, tensor(layer, "kernel"), tensor(layer, "bias"));
    case LayerKind::batch_norm: {
      const Moments used = mode == Mode::training ? moments(x)
                                                  : Moments{tensor(layer, "moving_mean"),
                                                            tensor(layer, "moving_variance")};
      return batch_norm(x, used, tensor(layer, "gamma"), tensor(layer, "beta"));
    }
    case LayerKind::leaky_relu:
      return leaky_relu(x);
    case LayerKind::sigmoid:
      return sigmoid(x);
    case LayerKind::flatten:
    case LayerKind::reshape:
      return reshape(x, layer.output);
  }
  throw std::logic_error("no such kind of layer");
}

Batch Network::backward(const Layer& layer, const Batch& x, const Batch& y, const Batch& dy,
                        Parameters& gradients) const {
  const auto keep = [&](AffineGradients affine) {
    gradients[layer.name + ".kernel"] = std::move(affine.kernel);
    gradients[layer.name + ".bias"] = std::move(affine.bias);
    return std::move(affine.x);
  };
  switch (layer.kind) {
    case LayerKind::conv2d:
      return keep(conv2d_backward(x, tensor(layer, "kernel"), dy, layer.stride));
    case LayerKind::conv2d_transpose:
      return keep(conv2d_transpose_backward(x, tensor(layer, "kernel"), dy, layer.stride));
    case LayerKind::dense:
      return keep(dense_backward(x, tensor(layer, "kernel"), dy));
    case LayerKind::batch_norm: {
      BatchNormGradients norm = batch_norm_backward(x, tensor(layer, "gamma"), dy);
      gradients[layer.name + ".gamma"] = std::move(norm.gamma);
      gradients[layer.name + ".beta"] = std::move(norm.beta);
      return std::move(norm.x);
    }
    case LayerKind::leaky_relu:
      return leaky_relu_backward(x, dy);
    case LayerKind::sigmoid:
      return sigmoid_backward(y, dy);
    case LayerKind::flatten:
    case LayerKind::reshape:
      return reshape(dy, x.shape);
  }
  throw std::logic_error("no such kind of layer");
}

Pass Network::run(const Batch& images, Mode mode) const {
  Pass pass;
  pass.images = images;
  Batch x = images;
  for (const Layer& layer : layers_) {
    x = forward(layer, x, mode);
    pass.outputs[layer.name] = x;
  }
  pass.reconstruction = x;
  pass.scores = mean_squared_errors(images, x);
  pass.loss = std::accumulate(pass.scores.begin(), pass.scores.end(), 0.0) /
              static_cast<double>(images.count);
  return pass;
}

Batch Network::decode(const Batch& latent) const {
  Batch x = latent;
  for (const Layer& layer : layers_) {
    if (layer.name.starts_with("decoder.")) x = forward(layer, x, Mode::inference);
  }
  return x;
}

Parameters Network::gradients(const Pass& pass) const {
  Parameters result;
  Batch dy = mean_squared_error_backward(pass.images, pass.reconstruction);
  for (size_t i = layers_.size(); i-- > 0;) {
    const Batch& x = i == 0 ? pass.images : pass.outputs.at(layers_[i - 1].name);
    dy = backward(layers_[i], x, pass.outputs.at(layers_[i].name), dy, result);
  }
  return result;
}

Pass Network::train_step(const Batch& images, double learning_rate) {
  Pass pass = run(images, Mode::training);
  adam_.update(parameters_, gradients(pass), learning_rate);
  for (size_t i = 1; i < layers_.size(); ++i) {
    if (layers_[i].kind != LayerKind::batch_norm) continue;
    const Moments batch = moments(pass.outputs.at(layers_[i - 1].name));
    move_towards(parameters_.at(layers_[i].name + ".moving_mean"), batch.mean);
    move_towards(parameters_.at(layers_[i].name + ".moving_variance"), batch.variance);
  }
  return pass;
}

}  // namespace oddity::reference
