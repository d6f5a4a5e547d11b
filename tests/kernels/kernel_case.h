// What tests of the matrix-product kernels share: random numbers, the way to the layouts of
// tests/reference, tolerances.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "conv2d.h"
#include "core/random.h"
#include "reference/layers.h"

namespace oddity::kernels {

inline constexpr uint64_t kSeed = 2026;

/// `count` numbers in [−1, 1), another `stream`, other numbers.
inline std::vector<float> random_values(int64_t count, uint32_t stream) {
  Philox random(kSeed, stream);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = 2 * random.uniform() - 1;
  return values;
}

// n products of numbers in [−1, 1] added in float32 are off by at most n·2⁻²⁴·n, and in practice,
// rounding errors being random, by a few sqrt(n)·2⁻²⁴·sqrt(n); 4 of those.
inline double sum_tolerance(int64_t n) { return 4 * static_cast<double>(n) * 0x1p-24 + 1e-7; }

inline reference::Values doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

inline reference::Batch batch(int64_t images, const ImageShape& shape,
                              const std::vector<float>& values) {
  reference::Batch result(images, shape);
  result.values = doubles(values);
  return result;
}

/// The weights w [K, 3, 3, C] as Keras keeps those of a convolution, [kh, kw, in = C, out = K], and
/// those of a transposed one, [kh, kw, out = C, in = K]: the same numbers in the same places.
template <typename Value>
reference::Values keras_kernel(const Conv2dShape& shape, const std::vector<Value>& w) {
  reference::Values kernel(w.size());
  for (int64_t k = 0; k < shape.filters; ++k) {
    for (int64_t tap = 0; tap < 9; ++tap) {
      for (int64_t c = 0; c < shape.channels; ++c) {
        kernel[static_cast<size_t>((tap * shape.channels + c) * shape.filters + k)] =
            static_cast<double>(w[static_cast<size_t>((k * 9 + tap) * shape.channels + c)]);
      }
    }
  }
  return kernel;
}

/// And back: a gradient of the reference as [K, 3, 3, C].
inline reference::Values device_kernel(const Conv2dShape& shape, const reference::Values& keras) {
  reference::Values w(keras.size());
  for (int64_t k = 0; k < shape.filters; ++k) {
    for (int64_t tap = 0; tap < 9; ++tap) {
      for (int64_t c = 0; c < shape.channels; ++c) {
        w[static_cast<size_t>((k * 9 + tap) * shape.channels + c)] =
            keras[static_cast<size_t>((tap * shape.channels + c) * shape.filters + k)];
      }
    }
  }
  return w;
}

inline ImageShape large_side(const Conv2dShape& shape) {
  return {shape.height, shape.width, shape.channels};
}
inline ImageShape small_side(const Conv2dShape& shape) {
  return {shape.small_height(), shape.small_width(), shape.filters};
}
inline int64_t weight_count(const Conv2dShape& shape) { return shape.filters * 9 * shape.channels; }

/// How many images a test computes together to compare them with one alone: 33, of large images
/// (which make several blocks each) fewer, since the checker runs them too.
inline int64_t images_beside(const Conv2dShape& shape) {
  return shape.height * shape.width > 500 ? 5 : 33;
}

/// Shapes are named in a test's name: 33x14x14x32to64stride2.
inline std::string name(const Conv2dShape& shape) {
  return std::to_string(shape.images) + "x" + std::to_string(shape.height) + "x" +
         std::to_string(shape.width) + "x" + std::to_string(shape.channels) + "to" +
         std::to_string(shape.filters) + "stride" + std::to_string(shape.stride);
}

// Every tile (16, 32 and 64 columns) with one and with several blocks a side, whole and partial;
// vector and scalar paths; reductions shorter than, equal to and longer than the steps of a tile.
inline std::vector<Conv2dShape> conv2d_shapes() {
  return {
      {1, 1, 1, 1, 1, 1},     {1, 2, 2, 1, 1, 2},     {7, 2, 2, 3, 5, 2},     {33, 2, 2, 4, 8, 2},
      {32, 4, 2, 64, 32, 2},  {1, 31, 33, 1, 1, 1},   {1, 33, 31, 2, 3, 1},   {7, 28, 28, 1, 32, 2},
      {7, 14, 14, 32, 64, 2}, {2, 28, 28, 32, 64, 2}, {2, 14, 14, 64, 64, 2}, {3, 28, 28, 1, 32, 1},
      {2, 10, 6, 33, 33, 2},  {3, 5, 7, 33, 31, 1},   {2, 9, 5, 8, 65, 1},    {2, 6, 10, 68, 20, 2},
      {33, 3, 5, 5, 2, 1},    {2, 7, 9, 3, 64, 1},    {1, 5, 70, 4, 8, 1},    {1, 70, 130, 2, 5, 1},
      {2, 30, 4, 1, 33, 2},   {32, 8, 8, 16, 12, 2},  {1, 20, 100, 3, 31, 1}, {2, 6, 6, 12, 33, 1},
      {2, 6, 6, 33, 12, 2},
  };
}

}  // namespace oddity::kernels
