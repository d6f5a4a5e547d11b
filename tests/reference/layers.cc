#include "reference/layers.h"

#include <cmath>

namespace oddity::reference {

Batch reshape(const Batch& x, const ImageShape& shape) {
  Batch y(x.count, shape);
  y.values = x.values;
  return y;
}

Batch dense(const Batch& x, const Values& kernel, const Values& bias) {
  const int64_t in = x.shape.size();
  const int64_t out = std::ssize(bias);
  Batch y(x.count, {1, 1, out});
  for (int64_t n = 0; n < x.count; ++n) {
    for (int64_t o = 0; o < out; ++o) y.values[n * out + o] = bias[o];
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t o = 0; o < out; ++o) {
        y.values[n * out + o] += x.values[n * in + i] * kernel[i * out + o];
      }
    }
  }
  return y;
}

AffineGradients dense_backward(const Batch& x, const Values& kernel, const Batch& dy) {
  const int64_t in = x.shape.size();
  const int64_t out = dy.shape.size();
  AffineGradients gradients{Batch(x.count, x.shape), Values(kernel.size()), Values(out)};
  for (int64_t n = 0; n < x.count; ++n) {
    for (int64_t o = 0; o < out; ++o) gradients.bias[o] += dy.values[n * out + o];
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t o = 0; o < out; ++o) {
        gradients.x.values[n * in + i] += dy.values[n * out + o] * kernel[i * out + o];
        gradients.kernel[i * out + o] += dy.values[n * out + o] * x.values[n * in + i];
      }
    }
  }
  return gradients;
}

Batch leaky_relu(const Batch& x) {
  Batch y = x;
  for (double& value : y.values) value = value > 0 ? value : kSlope * value;
  return y;
}

Batch leaky_relu_backward(const Batch& x, const Batch& dy) {
  Batch dx = dy;
  for (size_t i = 0; i < dx.values.size(); ++i) dx.values[i] *= x.values[i] > 0 ? 1 : kSlope;
  return dx;
}

Batch sigmoid(const Batch& x) {
  Batch y = x;
  for (double& value : y.values) value = 1 / (1 + std::exp(-value));
  return y;
}

Batch sigmoid_backward(const Batch& y, const Batch& dy) {
  Batch dx = dy;
  for (size_t i = 0; i < dx.values.size(); ++i) dx.values[i] *= y.values[i] * (1 - y.values[i]);
  return dx;
}

Moments moments(const Batch& x) {
  const size_t channels = static_cast<size_t>(x.shape.channels);
  const double pixels = static_cast<double>(x.values.size() / channels);
  Moments result{Values(channels), Values(channels)};
  for (size_t i = 0; i < x.values.size(); ++i) result.mean[i % channels] += x.values[i];
  for (double& mean : result.mean) mean /= pixels;
  for (size_t i = 0; i < x.values.size(); ++i) {
    const double deviation = x.values[i] - result.mean[i % channels];
    result.variance[i % channels] += deviation * deviation;
  }
  for (double& variance : result.variance) variance /= pixels;
  return result;
}

Batch batch_norm(const Batch& x, const Moments& moments, const Values& gamma, const Values& beta) {
  Batch y = x;
  for (size_t i = 0; i < y.values.size(); ++i) {
    const size_t c = i % gamma.size();
    const double normalized =
        (x.values[i] - moments.mean[c]) / std::sqrt(moments.variance[c] + kEpsilon);
    y.values[i] = gamma[c] * normalized + beta[c];
  }
  return y;
}

// With z = (x − mean) / deviation over m pixels, y = gamma z + beta (Ioffe and Szegedy, "Batch
// normalization", 2015, section 3):
//   dL/dx = gamma / deviation · (dy − sum(dy) / m − z · sum(dy z) / m).
BatchNormGradients batch_norm_backward(const Batch& x, const Values& gamma, const Batch& dy) {
  const size_t channels = gamma.size();
  const double pixels = static_cast<double>(x.values.size() / channels);
  const Moments batch = moments(x);
  const Batch z = batch_norm(x, batch, Values(channels, 1), Values(channels, 0));
  BatchNormGradients gradients{dy, Values(channels), Values(channels)};
  for (size_t i = 0; i < dy.values.size(); ++i) {
    gradients.gamma[i % channels] += dy.values[i] * z.values[i];
    gradients.beta[i % channels] += dy.values[i];
  }
  for (size_t i = 0; i < dy.values.size(); ++i) {
    const size_t c = i % channels;
    gradients.x.values[i] =
        gamma[c] / std::sqrt(batch.variance[c] + kEpsilon) *
        (dy.values[i] - gradients.beta[c] / pixels - z.values[i] * gradients.gamma[c] / pixels);
  }
  return gradients;
}

Values mean_squared_errors(const Batch& x, const Batch& reconstruction) {
  const size_t size = static_cast<size_t>(x.shape.size());
  Values errors(static_cast<size_t>(x.count));
  for (size_t i = 0; i < x.values.size(); ++i) {
    const double difference = x.values[i] - reconstruction.values[i];
    errors[i / size] += difference * difference / static_cast<double>(size);
  }
  return errors;
}

Batch mean_squared_error_backward(const Batch& x, const Batch& reconstruction) {
  Batch gradient = reconstruction;
  const double numbers = static_cast<double>(x.values.size());
  for (size_t i = 0; i < x.values.size(); ++i) {
    gradient.values[i] = 2 * (reconstruction.values[i] - x.values[i]) / numbers;
  }
  return gradient;
}

}  // namespace oddity::reference
