#include "activation.h"
#include "groups.cuh"

namespace oddity::kernels {
namespace {

__global__ void __launch_bounds__(kFlatThreads)
    leaky_relu_kernel(int64_t n, const float* x, float slope, float* y, bool aligned) {
  const int64_t i = first_of_four();
  if (i >= n) return;
  Four four = load_four(x, i, n, aligned);
#pragma unroll
  for (float& value : four.at) value = value > 0 ? value : slope * value;
  store_four(y, i, n, four, aligned);
}

__global__ void __launch_bounds__(kFlatThreads)
    leaky_relu_backward_kernel(int64_t n, const float* y, const float* dy, float slope, float* dx,
                               bool aligned) {
  const int64_t i = first_of_four();
  if (i >= n) return;
  const Four output = load_four(y, i, n, aligned);
  Four gradient = load_four(dy, i, n, aligned);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    gradient.at[j] = output.at[j] > 0 ? gradient.at[j] : slope * gradient.at[j];
  }
  store_four(dx, i, n, gradient, aligned);
}

}  // namespace

void leaky_relu(cudaStream_t stream, int64_t n, const float* x, float slope, float* y) {
  launch(leaky_relu_kernel, flat_launch(n, stream), n, x, slope, y, all_aligned(x, y));
}

void leaky_relu_backward(cudaStream_t stream, int64_t n, const float* y, const float* dy,
                         float slope, float* dx) {
  launch(leaky_relu_backward_kernel, flat_launch(n, stream), n, y, dy, slope, dx,
         all_aligned(y, dy, dx));
}

}  // namespace oddity::kernels
