// 3×3 convolutions with 'same' padding: forward and the gradient of the weights. The gradient of
// the input is the transposed convolution (conv2d_transpose.h).
//
// Padding as Keras computes it: stride 1 pads a row and column on each side; stride 2, on the even
// extents that an architecture allows, pads none before and one after.
#pragma once

#include <cuda_runtime_api.h>

#include <compare>
#include <cstdint>

namespace oddity::kernels {

/// LeakyReLU's slope below and at 0; Keras keeps it in float32.
inline constexpr float kLeakyReluSlope = 0.2f;

/// What is done to a sum before it is stored.
enum class Epilogue {
  none,
  bias,            // + bias of the output channel
  bias_leaky_relu  // + bias, then x > 0 ? x : .2 x
};

/// A convolution between a large side [N, height, width, channels] and a small side
/// [N, height/stride, width/stride, filters]; its weights are [filters, 3, 3, channels]. Forward it
/// goes from large to small, transposed from small to large. An image has fewer than 2³⁰ pixels and
/// 2³¹ numbers on either side.
struct Conv2dShape {
  int64_t images = 0;  // N
  int64_t height = 0;  // of the large side; even where stride is 2
  int64_t width = 0;
  int64_t channels = 0;  // of the large side
  int64_t filters = 0;   // channels of the small side
  int64_t stride = 1;    // 1 or 2

  int64_t small_height() const { return height / stride; }
  int64_t small_width() const { return width / stride; }
  int64_t large_pixels() const { return images * height * width; }
  int64_t small_pixels() const { return images * small_height() * small_width(); }
  friend auto operator<=>(const Conv2dShape&, const Conv2dShape&) = default;
};

/// y [N, H/s, W/s, K] = convolution of x [N, H, W, C] with w [K, 3, 3, C], and the epilogue with
/// bias [K] (null where there is none). An output depends on its own image alone: its bits do not
/// change with N. Pointers are 16-byte aligned.
void conv2d(cudaStream_t stream, const Conv2dShape& shape, const float* x, const float* w,
            const float* bias, Epilogue epilogue, float* y);

/// Floats of workspace that conv2d_weight_gradient needs; may be 0.
int64_t conv2d_weight_gradient_workspace(const Conv2dShape& shape);

/// dw [K, 3, 3, C] = sum over all pixels of dy [N, H/s, W/s, K] times the patch of x [N, H, W, C]
/// beneath it. The sum is cut by the shape alone and added in a fixed order.
/// For a transposed convolution x is the gradient of its output and dy its input. Pointers are
/// 16-byte aligned.
void conv2d_weight_gradient(cudaStream_t stream, const Conv2dShape& shape, const float* x,
                            const float* dy, float* dw, float* workspace);

}  // namespace oddity::kernels
