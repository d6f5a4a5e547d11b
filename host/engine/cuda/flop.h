// What the products of a layer come to, two a multiply-add, whoever computes them and however.
#pragma once

#include "conv2d.h"
#include "dense.h"

namespace oddity::cuda {

/// Of a convolution in either direction, and of each of its gradients: padding is no work. Along a
/// side every output has three taps, but that the first and last have two at stride 1, the last has
/// two at stride 2.
inline int64_t products_flop(const kernels::Conv2dShape& shape) {
  const auto taps = [&](int64_t outputs) { return 3 * outputs - (shape.stride == 1 ? 2 : 1); };
  return 2 * shape.images * taps(shape.small_height()) * taps(shape.small_width()) *
         shape.channels * shape.filters;
}

inline int64_t products_flop(const kernels::DenseShape& shape) {
  return 2 * shape.images * shape.inputs * shape.outputs;
}

}  // namespace oddity::cuda
