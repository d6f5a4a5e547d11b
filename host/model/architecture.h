// The convolutional autoencoder: its extents, its layers and the tensors they own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/shape.h"

namespace oddity {

/// Constants of the family; a model file that states others is refused.
inline constexpr float kLeakyReluSlope = 0.2f;
inline constexpr float kBatchNormEpsilon = 1e-3f;
inline constexpr float kBatchNormMomentum = 0.99f;

/// A convolutional autoencoder, determined by these five. Encoder: for each of `filters` a 3×3
/// 'same' convolution of stride 2, LeakyReLU, batch normalisation; then flatten and a dense layer
/// to `latent_dim`. Decoder: a dense layer back, for each of `filters` in reverse a 3×3 'same'
/// transposed convolution of stride 2, LeakyReLU, batch normalisation; then a 3×3 transposed
/// convolution of stride 1 to `depth` channels and a sigmoid.
struct Architecture {
  int64_t width = 0;
  int64_t height = 0;
  int64_t depth = 0;
  std::vector<int64_t> filters;
  int64_t latent_dim = 0;

  ImageShape image() const { return {height, width, depth}; }
  /// The shape after the encoder's convolutions, which the latent vector is computed from.
  ImageShape encoded() const {
    const int64_t shrink = int64_t{1} << filters.size();
    return {height / shrink, width / shrink, filters.back()};
  }
  friend bool operator==(const Architecture&, const Architecture&) = default;
};

/// The reference's ConvAutoencoder.build. Throws ArgumentError for extents below 1 or too large, no
/// filters, and a width or height that is not a multiple of 2^filters, naming the nearest that are.
Architecture conv_autoencoder(int64_t width, int64_t height, int64_t depth,
                              std::vector<int64_t> filters = {32, 64}, int64_t latent_dim = 16);

enum class LayerKind {
  conv2d,
  leaky_relu,
  batch_norm,
  flatten,
  dense,
  reshape,
  conv2d_transpose,
  sigmoid
};

/// One layer; `output` is what it gives for one image ({1,1,n} for vectors). Names are
/// encoder.conv1, encoder.lrelu1, encoder.bn1, … encoder.flatten1, encoder.dense1, decoder.dense1,
/// decoder.reshape1, decoder.convT1, decoder.lrelu1, decoder.bn1, … decoder.convT<last>,
/// decoder.sigmoid1, in the order of computation.
struct Layer {
  std::string name;
  LayerKind kind;
  ImageShape output;
  int64_t stride = 1;  // convolutions only
};

std::vector<Layer> layers(const Architecture& architecture);

/// One tensor of the weights, in Keras' layout: convolution kernels [kh, kw, in, out], transposed
/// ones [kh, kw, out, in], dense ones [in, out], the rest [channels].
struct TensorSpec {
  std::string name;  // layer name + .kernel .bias .gamma .beta .moving_mean .moving_variance
  std::vector<int64_t> shape;
  bool trainable = true;  // false: moving statistics
  int64_t size() const;
};

/// Every tensor in the order of the layers (kernel, bias; gamma, beta, moving_mean,
/// moving_variance).
std::vector<TensorSpec> tensor_specs(const Architecture& architecture);

}  // namespace oddity
