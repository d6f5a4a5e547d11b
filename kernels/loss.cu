#include "groups.cuh"
#include "loss.h"
#include "sigmoid.cuh"

namespace oddity::kernels {
namespace {

// A block an image.
template <bool kGradient>
__global__ void __launch_bounds__(1024)
    sigmoid_mse_kernel(int64_t size, const float* logits, const float* x, float* errors,
                       float gradient_scale, float* logit_gradient, bool aligned) {
  SHARED_ARRAY(float, scratch, [kWarp]);
  const int64_t start = blockIdx.x * size;
  float sum = 0;
  for (int64_t i = 4 * int64_t{threadIdx.x}; i < size; i += 4 * int64_t{blockDim.x}) {
    const Four logit = load_four(logits + start, i, size, aligned);
    const Four target = load_four(x + start, i, size, aligned);
    Four gradient;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const Sigmoid y = sigmoid_of(logit.at[j]);
      const float difference = y.value - target.at[j];
      if (i + j < size) sum = fmaf(difference, difference, sum);
      gradient.at[j] = gradient_scale * difference * y.slope;
    }
    if constexpr (kGradient) store_four(logit_gradient + start, i, size, gradient, aligned);
  }
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) errors[blockIdx.x] = sum / float(size);
}

// By size alone: it decides the order of an image's sum.
int image_threads(int64_t size) { return size <= 4 * 256 ? 256 : 1024; }

__global__ void __launch_bounds__(kFlatThreads)
    sigmoid_kernel(int64_t n, const float* x, float* y, bool aligned) {
  const int64_t i = first_of_four();
  if (i >= n) return;
  Four four = load_four(x, i, n, aligned);
#pragma unroll
  for (float& value : four.at) value = sigmoid_of(value).value;
  store_four(y, i, n, four, aligned);
}

__global__ void __launch_bounds__(kFlatThreads)
    squared_difference_kernel(int64_t n, const float* a, const float* b, float* difference,
                              bool aligned) {
  const int64_t i = first_of_four();
  if (i >= n) return;
  const Four left = load_four(a, i, n, aligned);
  const Four right = load_four(b, i, n, aligned);
  Four square;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const float d = left.at[j] - right.at[j];
    square.at[j] = d * d;
  }
  store_four(difference, i, n, square, aligned);
}

}  // namespace

void sigmoid_mse(cudaStream_t stream, int64_t images, int64_t size, const float* logits,
                 const float* x, float* errors) {
  launch(sigmoid_mse_kernel<false>,
         {.grid = images, .block = image_threads(size), .stream = stream}, size, logits, x, errors,
         0.0f, nullptr, size % 4 == 0 && all_aligned(logits, x));
}

void sigmoid_mse_backward(cudaStream_t stream, int64_t images, int64_t size, const float* logits,
                          const float* x, float* errors, float* logit_gradient) {
  const double scale = 2 / (double(images) * double(size));
  launch(sigmoid_mse_kernel<true>, {.grid = images, .block = image_threads(size), .stream = stream},
         size, logits, x, errors, float(scale), logit_gradient,
         size % 4 == 0 && all_aligned(logits, x, logit_gradient));
}

void squared_difference(cudaStream_t stream, int64_t n, const float* a, const float* b,
                        float* difference) {
  launch(squared_difference_kernel, flat_launch(n, stream), n, a, b, difference,
         all_aligned(a, b, difference));
}

void sigmoid(cudaStream_t stream, int64_t n, const float* x, float* y) {
  launch(sigmoid_kernel, flat_launch(n, stream), n, x, y, all_aligned(x, y));
}

}  // namespace oddity::kernels
