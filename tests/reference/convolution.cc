// Convolutions. conv2d and its transpose relate the same two grids: the fine one (input of conv2d,
// output of the transpose) and the coarse one. All six loops below are one loop over the pairs of
// pixels that a tap of the kernel connects.
#include <algorithm>

#include "reference/layers.h"

namespace oddity::reference {
namespace {

constexpr int64_t kTaps = 3;

int64_t padding_before(int64_t fine, int64_t coarse, int64_t stride) {
  return std::max<int64_t>((coarse - 1) * stride + kTaps - fine, 0) / 2;
}

/// Calls visit(n, fine row, fine column, coarse row, coarse column, tap) for every connected pair;
/// tap = 3 · kernel row + kernel column.
template <typename Visit>
void for_each_tap(int64_t count, const ImageShape& fine, const ImageShape& coarse, int64_t stride,
                  Visit visit) {
  const int64_t top = padding_before(fine.height, coarse.height, stride);
  const int64_t left = padding_before(fine.width, coarse.width, stride);
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t h = 0; h < coarse.height; ++h) {
      for (int64_t w = 0; w < coarse.width; ++w) {
        for (int64_t kh = 0; kh < kTaps; ++kh) {
          for (int64_t kw = 0; kw < kTaps; ++kw) {
            const int64_t fine_h = h * stride + kh - top;
            const int64_t fine_w = w * stride + kw - left;
            const bool inside =
                fine_h >= 0 && fine_h < fine.height && fine_w >= 0 && fine_w < fine.width;
            if (inside) visit(n, fine_h, fine_w, h, w, kh * kTaps + kw);
          }
        }
      }
    }
  }
}

Batch filled_with_bias(int64_t count, const ImageShape& shape, const Values& bias) {
  Batch y(count, shape);
  for (size_t i = 0; i < y.values.size(); ++i) y.values[i] = bias[i % bias.size()];
  return y;
}

Values sum_over_pixels(const Batch& dy) {
  Values sum(static_cast<size_t>(dy.shape.channels));
  for (size_t i = 0; i < dy.values.size(); ++i) sum[i % sum.size()] += dy.values[i];
  return sum;
}

}  // namespace

Batch conv2d(const Batch& x, const Values& kernel, const Values& bias, int64_t stride) {
  const int64_t in = x.shape.channels;
  const int64_t out = std::ssize(bias);
  Batch y = filled_with_bias(
      x.count, {(x.shape.height + stride - 1) / stride, (x.shape.width + stride - 1) / stride, out},
      bias);
  for_each_tap(x.count, x.shape, y.shape, stride,
               [&](int64_t n, int64_t xh, int64_t xw, int64_t yh, int64_t yw, int64_t tap) {
                 const double* from = x.pixel(n, xh, xw);
                 double* to = y.pixel(n, yh, yw);
                 for (int64_t i = 0; i < in; ++i) {
                   const double* k = &kernel[(tap * in + i) * out];
                   for (int64_t o = 0; o < out; ++o) to[o] += from[i] * k[o];
                 }
               });
  return y;
}

AffineGradients conv2d_backward(const Batch& x, const Values& kernel, const Batch& dy,
                                int64_t stride) {
  const int64_t in = x.shape.channels;
  const int64_t out = dy.shape.channels;
  AffineGradients gradients{Batch(x.count, x.shape), Values(kernel.size()), sum_over_pixels(dy)};
  for_each_tap(x.count, x.shape, dy.shape, stride,
               [&](int64_t n, int64_t xh, int64_t xw, int64_t yh, int64_t yw, int64_t tap) {
                 const double* from = x.pixel(n, xh, xw);
                 const double* back = dy.pixel(n, yh, yw);
                 double* dx = gradients.x.pixel(n, xh, xw);
                 for (int64_t i = 0; i < in; ++i) {
                   const double* k = &kernel[(tap * in + i) * out];
                   double* dk = &gradients.kernel[(tap * in + i) * out];
                   for (int64_t o = 0; o < out; ++o) {
                     dx[i] += back[o] * k[o];
                     dk[o] += back[o] * from[i];
                   }
                 }
               });
  return gradients;
}

Batch conv2d_transpose(const Batch& x, const Values& kernel, const Values& bias, int64_t stride) {
  const int64_t in = x.shape.channels;
  const int64_t out = std::ssize(bias);
  Batch y = filled_with_bias(x.count, {x.shape.height * stride, x.shape.width * stride, out}, bias);
  for_each_tap(x.count, y.shape, x.shape, stride,
               [&](int64_t n, int64_t yh, int64_t yw, int64_t xh, int64_t xw, int64_t tap) {
                 const double* from = x.pixel(n, xh, xw);
                 double* to = y.pixel(n, yh, yw);
                 for (int64_t o = 0; o < out; ++o) {
                   const double* k = &kernel[(tap * out + o) * in];
                   for (int64_t i = 0; i < in; ++i) to[o] += from[i] * k[i];
                 }
               });
  return y;
}

AffineGradients conv2d_transpose_backward(const Batch& x, const Values& kernel, const Batch& dy,
                                          int64_t stride) {
  const int64_t in = x.shape.channels;
  const int64_t out = dy.shape.channels;
  AffineGradients gradients{Batch(x.count, x.shape), Values(kernel.size()), sum_over_pixels(dy)};
  for_each_tap(x.count, dy.shape, x.shape, stride,
               [&](int64_t n, int64_t yh, int64_t yw, int64_t xh, int64_t xw, int64_t tap) {
                 const double* from = x.pixel(n, xh, xw);
                 const double* back = dy.pixel(n, yh, yw);
                 double* dx = gradients.x.pixel(n, xh, xw);
                 for (int64_t o = 0; o < out; ++o) {
                   const double* k = &kernel[(tap * out + o) * in];
                   double* dk = &gradients.kernel[(tap * out + o) * in];
                   for (int64_t i = 0; i < in; ++i) {
                     dx[i] += back[o] * k[i];
                     dk[i] += back[o] * from[i];
                   }
                 }
               });
  return gradients;
}

}  // namespace oddity::reference
