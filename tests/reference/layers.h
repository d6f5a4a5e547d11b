// Every kind of layer, forward and backward, in float64 and plain loops: the opinion that engines
// are compared with. Written to be believed on reading, not to be fast.
//
// Formulas and layouts are Keras' (shared with the product only through the names of tensors):
// images [N, H, W, C], convolution kernels [kh, kw, in, out], transposed ones [kh, kw, out, in],
// dense ones [in, out].
#pragma once

#include <cstdint>
#include <vector>

#include "core/shape.h"

namespace oddity::reference {

/// Keras' LeakyReLU keeps its slope in float32 whatever the type of its input: with the decimal .2
/// the goldens differ in the eighth digit, with this one in none.
inline constexpr double kSlope = static_cast<double>(0.2f);
inline constexpr double kEpsilon = 1e-3;

/// `count` images in float64. Vectors of n numbers are images of 1×1×n.
struct Batch {
  Batch() = default;
  Batch(int64_t images, const ImageShape& image_shape)
      : count(images),
        shape(image_shape),
        values(static_cast<size_t>(images * image_shape.size())) {}

  /// The channels of one pixel.
  double* pixel(int64_t n, int64_t h, int64_t w) { return values.data() + offset(n, h, w); }
  const double* pixel(int64_t n, int64_t h, int64_t w) const {
    return values.data() + offset(n, h, w);
  }
  int64_t offset(int64_t n, int64_t h, int64_t w) const {
    return ((n * shape.height + h) * shape.width + w) * shape.channels;
  }

  int64_t count = 0;
  ImageShape shape;
  std::vector<double> values;
};

using Values = std::vector<double>;

/// The same numbers seen as images of another shape (flatten, reshape).
Batch reshape(const Batch& x, const ImageShape& shape);

/// What an affine layer (convolution or dense) passes back.
struct AffineGradients {
  Batch x;
  Values kernel;
  Values bias;
};

/// 3×3, padding 'same': ceil(extent / stride) positions, of the padding needed the smaller half
/// before.
Batch conv2d(const Batch& x, const Values& kernel, const Values& bias, int64_t stride);
AffineGradients conv2d_backward(const Batch& x, const Values& kernel, const Batch& dy,
                                int64_t stride);

/// The gradient of conv2d with respect to its input, for an input of extent · stride.
Batch conv2d_transpose(const Batch& x, const Values& kernel, const Values& bias, int64_t stride);
AffineGradients conv2d_transpose_backward(const Batch& x, const Values& kernel, const Batch& dy,
                                          int64_t stride);

Batch dense(const Batch& x, const Values& kernel, const Values& bias);
AffineGradients dense_backward(const Batch& x, const Values& kernel, const Batch& dy);

/// x where x > 0, else .2 x; the slope at 0 is .2.
Batch leaky_relu(const Batch& x);
Batch leaky_relu_backward(const Batch& x, const Batch& dy);

Batch sigmoid(const Batch& x);
/// From the output y of the sigmoid.
Batch sigmoid_backward(const Batch& y, const Batch& dy);

/// Mean and biased variance of each channel.
struct Moments {
  Values mean;
  Values variance;
};
Moments moments(const Batch& x);

/// (x − mean) / sqrt(variance + 1e-3) · gamma + beta, for the moments of the batch (training) or
/// the moving ones (inference).
Batch batch_norm(const Batch& x, const Moments& moments, const Values& gamma, const Values& beta);

struct BatchNormGradients {
  Batch x;
  Values gamma;
  Values beta;
};
/// Of training mode, where the moments depend on x.
BatchNormGradients batch_norm_backward(const Batch& x, const Values& gamma, const Batch& dy);

/// Mean over each image's numbers of (x − reconstruction)²; a batch's loss is the mean of these.
Values mean_squared_errors(const Batch& x, const Batch& reconstruction);
/// Gradient of the batch's loss with respect to the reconstruction.
Batch mean_squared_error_backward(const Batch& x, const Batch& reconstruction);

}  // namespace oddity::reference
