#include "engine/cuda/reference_operation.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace oddity::cuda {
namespace {

using kernels::Conv2dShape;
using kernels::DenseShape;
using kernels::Epilogue;
using Values = std::vector<double>;
using Tensors = std::span<Values>;

void check(const OperationSpec& spec, Tensors tensors) {
  const std::vector<Operand> expected = operands(spec);
  if (tensors.size() != expected.size()) {
    throw Error("{}: {} operands given, {} needed", to_string(spec), tensors.size(),
                expected.size());
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (std::ssize(tensors[i]) != expected[i].size) {
      throw Error("{}: {} has {} numbers, not {}", to_string(spec), expected[i].name,
                  tensors[i].size(), expected[i].size);
    }
  }
}

/// Calls visit(large pixel, small pixel, tap) for every pair of pixels that a tap of the 3×3 kernel
/// connects, pixels counted over all images. Stride 1 pads one on each side; stride 2, on even
/// extents, one after and none before.
template <typename Visit>
void for_each_pair(const Conv2dShape& shape, Visit visit) {
  const int64_t before = shape.stride == 1 ? 1 : 0;
  for (int64_t n = 0; n < shape.images; ++n) {
    for (int64_t h = 0; h < shape.small_height(); ++h) {
      for (int64_t w = 0; w < shape.small_width(); ++w) {
        const int64_t small = (n * shape.small_height() + h) * shape.small_width() + w;
        for (int64_t tap = 0; tap < 9; ++tap) {
          const int64_t y = h * shape.stride + tap / 3 - before;
          const int64_t x = w * shape.stride + tap % 3 - before;
          if (y < 0 || y >= shape.height || x < 0 || x >= shape.width) continue;
          visit((n * shape.height + y) * shape.width + x, small, tap);
        }
      }
    }
  }
}

/// The epilogue on y [pixels, channels].
void finish(Values& y, Epilogue epilogue, const Values* bias) {
  if (epilogue == Epilogue::none) return;
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] += (*bias)[i % bias->size()];
    if (epilogue == Epilogue::bias_leaky_relu && y[i] <= 0) {
      y[i] *= static_cast<double>(kernels::kLeakyReluSlope);
    }
  }
}

void convolution(const OperationSpec& spec, Tensors t) {
  const Conv2dShape& shape = spec.conv;
  const int64_t channels = shape.channels;
  const int64_t filters = shape.filters;
  const bool biased = spec.epilogue != Epilogue::none;
  const Values& x = t[0];
  const Values& w = t[1];
  Values& y = t[biased ? 3 : 2];
  std::fill(y.begin(), y.end(), 0.0);
  if (spec.kind == OperationKind::conv2d) {
    for_each_pair(shape, [&](int64_t large, int64_t small, int64_t tap) {
      for (int64_t k = 0; k < filters; ++k) {
        double sum = 0;
        for (int64_t c = 0; c < channels; ++c) {
          sum += x[large * channels + c] * w[(k * 9 + tap) * channels + c];
        }
        y[small * filters + k] += sum;
      }
    });
  } else {
    for_each_pair(shape, [&](int64_t large, int64_t small, int64_t tap) {
      for (int64_t k = 0; k < filters; ++k) {
        const double from = x[small * filters + k];
        for (int64_t c = 0; c < channels; ++c) {
          y[large * channels + c] += from * w[(k * 9 + tap) * channels + c];
        }
      }
    });
  }
  finish(y, spec.epilogue, biased ? &t[2] : nullptr);
}

void convolution_weight_gradient(const Conv2dShape& shape, Tensors t) {
  const Values& x = t[0];
  const Values& dy = t[1];
  Values& dw = t[2];
  std::fill(dw.begin(), dw.end(), 0.0);
  for_each_pair(shape, [&](int64_t large, int64_t small, int64_t tap) {
    for (int64_t k = 0; k < shape.filters; ++k) {
      const double back = dy[small * shape.filters + k];
      for (int64_t c = 0; c < shape.channels; ++c) {
        dw[(k * 9 + tap) * shape.channels + c] += back * x[large * shape.channels + c];
      }
    }
  });
}

/// Calls visit(position in x, position in w, position in y) for every product of a dense layer.
template <typename Visit>
void for_each_product(const DenseShape& shape, Visit visit) {
  for (int64_t n = 0; n < shape.images; ++n) {
    for (int64_t i = 0; i < shape.inputs; ++i) {
      for (int64_t o = 0; o < shape.outputs; ++o) {
        visit(n * shape.inputs + i, i * shape.outputs + o, n * shape.outputs + o);
      }
    }
  }
}

void dense(const OperationSpec& spec, Tensors t) {
  Values& result = t.back();
  std::fill(result.begin(), result.end(), 0.0);
  for_each_product(spec.dense, [&](int64_t x, int64_t w, int64_t y) {
    switch (spec.kind) {
      case OperationKind::dense_data_gradient:  // dy, w → dx
        result[x] += t[0][y] * t[1][w];
        break;
      case OperationKind::dense_weight_gradient:  // x, dy → dw
        result[w] += t[0][x] * t[1][y];
        break;
      default:  // x, w, bias → y
        result[y] += t[0][x] * t[1][w];
        break;
    }
  });
  if (spec.kind == OperationKind::dense) finish(result, Epilogue::bias, &t[2]);
}

void batch_norm_training(const kernels::BatchNormShape& shape, Tensors t) {
  const Values& x = t[0];
  const Values& gamma = t[1];
  const Values& beta = t[2];
  Values& y = t[3];
  Values& mean = t[4];
  Values& inverse_deviation = t[5];
  const auto channels = static_cast<size_t>(shape.channels);
  const auto rows = static_cast<double>(shape.rows);
  Values variance(channels);
  std::fill(mean.begin(), mean.end(), 0.0);
  for (size_t i = 0; i < x.size(); ++i) mean[i % channels] += x[i] / rows;
  for (size_t i = 0; i < x.size(); ++i) {
    const double deviation = x[i] - mean[i % channels];
    variance[i % channels] += deviation * deviation / rows;
  }
  const auto kept = static_cast<double>(kernels::kBatchNormMomentum);
  for (size_t c = 0; c < channels; ++c) {
    inverse_deviation[c] =
        1 / std::sqrt(variance[c] + static_cast<double>(kernels::kBatchNormEpsilon));
    t[6][c] = kept * t[6][c] + (1 - kept) * mean[c];
    t[7][c] = kept * t[7][c] + (1 - kept) * variance[c];
  }
  for (size_t i = 0, c = 0; i < x.size(); ++i, c = c + 1 == channels ? 0 : c + 1) {
    y[i] = (x[i] - mean[c]) * inverse_deviation[c] * gamma[c] + beta[c];
  }
}

/// With z = (x − mean) / deviation over m rows (Ioffe and Szegedy, "Batch normalization", 2015,
/// section 3): dx = gamma / deviation · (dy − sum(dy) / m − z · sum(dy z) / m).
void batch_norm_backward(const kernels::BatchNormShape& shape, Tensors t) {
  const Values& x = t[0];
  const Values& dy = t[1];
  const Values& gamma = t[2];
  const Values& mean = t[3];
  const Values& inverse_deviation = t[4];
  Values& dx = t[5];
  Values& dgamma = t[6];
  Values& dbeta = t[7];
  const auto channels = static_cast<size_t>(shape.channels);
  const auto rows = static_cast<double>(shape.rows);
  const auto z = [&](size_t i) {
    return (x[i] - mean[i % channels]) * inverse_deviation[i % channels];
  };
  std::fill(dgamma.begin(), dgamma.end(), 0.0);
  std::fill(dbeta.begin(), dbeta.end(), 0.0);
  for (size_t i = 0; i < x.size(); ++i) {
    dgamma[i % channels] += dy[i] * z(i);
    dbeta[i % channels] += dy[i];
  }
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % channels;
    dx[i] = gamma[c] * inverse_deviation[c] * (dy[i] - dbeta[c] / rows - z(i) * dgamma[c] / rows);
  }
}

}  // namespace

void execute_reference(const OperationSpec& spec, Tensors tensors) {
  check(spec, tensors);
  switch (spec.kind) {
    case OperationKind::conv2d:
    case OperationKind::conv2d_transpose:
      return convolution(spec, tensors);
    case OperationKind::conv2d_weight_gradient:
      return convolution_weight_gradient(spec.conv, tensors);
    case OperationKind::dense:
    case OperationKind::dense_data_gradient:
    case OperationKind::dense_weight_gradient:
      return dense(spec, tensors);
    case OperationKind::batch_norm_training:
      return batch_norm_training(spec.norm, tensors);
    case OperationKind::batch_norm_backward:
      return batch_norm_backward(spec.norm, tensors);
  }
}

void reference_adam(double gradient, double rate, double& weight, double& first, double& second) {
  first = 0.9 * first + 0.1 * gradient;
  second = 0.999 * second + 0.001 * gradient * gradient;
  weight -= rate * first / (std::sqrt(second) + 1e-7);
}

}  // namespace oddity::cuda
