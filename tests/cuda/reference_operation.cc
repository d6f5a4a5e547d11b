#include "cuda/reference_operation.h"

#include <cmath>

#include "reference/layers.h"

namespace oddity::cuda {
namespace {

using kernels::Epilogue;
using reference::Batch;
using reference::Values;

Values load(const float* from, int64_t size) { return Values(from, from + size); }

Batch load_images(const float* from, int64_t count, const ImageShape& shape) {
  Batch batch(count, shape);
  batch.values = load(from, count * shape.size());
  return batch;
}

/// The device's filters [K, 3, 3, C] are Keras' kernels turned: [3, 3, C, K] of a convolution and,
/// of a transposed one, [3, 3, out = C, in = K].
Values load_filters(const float* from, const kernels::Conv2dShape& shape) {
  const int64_t rows = 9 * shape.channels;
  Values kernel(static_cast<size_t>(rows * shape.filters));
  for (int64_t k = 0; k < shape.filters; ++k) {
    for (int64_t row = 0; row < rows; ++row) {
      kernel[row * shape.filters + k] = static_cast<double>(from[k * rows + row]);
    }
  }
  return kernel;
}
Values turned_back(const Values& kernel, const kernels::Conv2dShape& shape) {
  const int64_t rows = 9 * shape.channels;
  Values filters(kernel.size());
  for (int64_t k = 0; k < shape.filters; ++k) {
    for (int64_t row = 0; row < rows; ++row) {
      filters[k * rows + row] = kernel[row * shape.filters + k];
    }
  }
  return filters;
}

void store(float* to, const Values& values, double scale = 1) {
  for (size_t i = 0; i < values.size(); ++i) to[i] = static_cast<float>(values[i] * scale);
}

using Tensors = std::span<float* const>;

ImageShape large(const kernels::Conv2dShape& shape) {
  return {shape.height, shape.width, shape.channels};
}
ImageShape small(const kernels::Conv2dShape& shape) {
  return {shape.small_height(), shape.small_width(), shape.filters};
}

void run_convolution(const OperationSpec& spec, Tensors t, double scale) {
  const kernels::Conv2dShape& shape = spec.conv;
  const bool transposed = spec.kind == OperationKind::conv2d_transpose;
  const bool biased = spec.epilogue != Epilogue::none;
  const int64_t out = transposed ? shape.channels : shape.filters;
  const Batch x = load_images(t[0], shape.images, transposed ? small(shape) : large(shape));
  const Values kernel = load_filters(t[1], shape);
  const Values bias = biased ? load(t[2], out) : Values(static_cast<size_t>(out));
  Batch y = transposed ? reference::conv2d_transpose(x, kernel, bias, shape.stride)
                       : reference::conv2d(x, kernel, bias, shape.stride);
  if (spec.epilogue == Epilogue::bias_leaky_relu) y = reference::leaky_relu(y);
  store(t[biased ? 3 : 2], y.values, scale);
}

void run_weight_gradient(const kernels::Conv2dShape& shape, Tensors t, double scale) {
  const Batch x = load_images(t[0], shape.images, large(shape));
  const Batch dy = load_images(t[1], shape.images, small(shape));
  // The kernel itself has no part in its gradient.
  const Values kernel(static_cast<size_t>(9 * shape.channels * shape.filters));
  const auto gradients = reference::conv2d_backward(x, kernel, dy, shape.stride);
  store(t[2], turned_back(gradients.kernel, shape), scale);
}

void run_dense(const OperationSpec& spec, Tensors t, double scale) {
  const kernels::DenseShape& shape = spec.dense;
  const ImageShape in{1, 1, shape.inputs};
  const ImageShape out{1, 1, shape.outputs};
  const int64_t weights = shape.inputs * shape.outputs;
  if (spec.kind == OperationKind::dense) {
    const Batch x = load_images(t[0], shape.images, in);
    Batch y = reference::dense(x, load(t[1], weights), load(t[2], shape.outputs));
    store(t[3], y.values, scale);
  } else if (spec.kind == OperationKind::dense_data_gradient) {
    const Batch dy = load_images(t[0], shape.images, out);
    const auto gradients =
        reference::dense_backward(Batch(shape.images, in), load(t[1], weights), dy);
    store(t[2], gradients.x.values, scale);
  } else {
    const Batch x = load_images(t[0], shape.images, in);
    const Batch dy = load_images(t[1], shape.images, out);
    const auto gradients = reference::dense_backward(x, Values(static_cast<size_t>(weights)), dy);
    store(t[2], gradients.kernel, scale);
  }
}

void run_norm_training(const kernels::BatchNormShape& shape, Tensors t) {
  const Batch x = load_images(t[0], shape.rows, {1, 1, shape.channels});
  const reference::Moments moments = reference::moments(x);
  Values inverse_deviation;
  for (const double variance : moments.variance) {
    inverse_deviation.push_back(1 / std::sqrt(variance + reference::kEpsilon));
  }
  const auto moved = [&](const float* moving, const Values& batch) {
    Values result = load(moving, shape.channels);
    for (size_t c = 0; c < result.size(); ++c) result[c] = 0.99 * result[c] + 0.01 * batch[c];
    return result;
  };
  store(t[3],
        reference::batch_norm(x, moments, load(t[1], shape.channels), load(t[2], shape.channels))
            .values);
  store(t[4], moments.mean);
  store(t[5], inverse_deviation);
  store(t[6], moved(t[6], moments.mean));
  store(t[7], moved(t[7], moments.variance));
}

/// The formula of reference::batch_norm_backward, with the mean and deviation that were passed.
void run_norm_backward(const kernels::BatchNormShape& shape, Tensors t) {
  const int64_t channels = shape.channels;
  const double rows = static_cast<double>(shape.rows);
  const Values x = load(t[0], shape.rows * channels);
  const Values dy = load(t[1], shape.rows * channels);
  const Values gamma = load(t[2], channels);
  const Values mean = load(t[3], channels);
  const Values inverse_deviation = load(t[4], channels);
  const auto z = [&](size_t i, size_t c) { return (x[i] - mean[c]) * inverse_deviation[c]; };
  Values dx(x.size());
  Values dgamma(gamma.size());
  Values dbeta(gamma.size());
  for (size_t i = 0; i < dy.size(); ++i) {
    const size_t c = i % gamma.size();
    dgamma[c] += dy[i] * z(i, c);
    dbeta[c] += dy[i];
  }
  for (size_t i = 0; i < dy.size(); ++i) {
    const size_t c = i % gamma.size();
    dx[i] =
        gamma[c] * inverse_deviation[c] * (dy[i] - dbeta[c] / rows - z(i, c) * dgamma[c] / rows);
  }
  store(t[5], dx);
  store(t[6], dgamma);
  store(t[7], dbeta);
}

}  // namespace

void run_reference(const OperationSpec& spec, std::span<float* const> tensors, double scale) {
  switch (spec.kind) {
    case OperationKind::conv2d:
    case OperationKind::conv2d_transpose:
      return run_convolution(spec, tensors, scale);
    case OperationKind::conv2d_weight_gradient:
      return run_weight_gradient(spec.conv, tensors, scale);
    case OperationKind::dense:
    case OperationKind::dense_data_gradient:
    case OperationKind::dense_weight_gradient:
      return run_dense(spec, tensors, scale);
    case OperationKind::batch_norm_training:
      return run_norm_training(spec.norm, tensors);
    case OperationKind::batch_norm_backward:
      return run_norm_backward(spec.norm, tensors);
  }
}

}  // namespace oddity::cuda
