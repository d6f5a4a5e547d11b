// What resources.txt, elf.txt and sass.txt were recorded from, each shortened to the lines that are
// read: nvcc 13.0 for sm_75 and sm_90, cuobjdump --dump-resource-usage, --dump-elf, --dump-sass.
namespace sample {
__global__ void __launch_bounds__(64) clean_kernel(float* y, const float* x, long n) {
  const long i = blockIdx.x * 64L + threadIdx.x;
  if (i < n) y[i] = 2 * x[i];
}
__global__ void __launch_bounds__(64) float_atomic_kernel(float* y, const float* x) {
  atomicAdd(y, x[threadIdx.x]);
}
__global__ void __launch_bounds__(64) shared_float_atomic_kernel(float* y, const float* x) {
  __shared__ float sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, x[threadIdx.x]);
  __syncthreads();
  y[threadIdx.x] = sum;
}
__global__ void __launch_bounds__(64) integer_atomic_kernel(unsigned* y, const unsigned* x) {
  __shared__ unsigned bins[4];
  if (threadIdx.x < 4) bins[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&bins[x[threadIdx.x] & 3], 1u);
  __syncthreads();
  if (threadIdx.x < 4) atomicAdd(&y[threadIdx.x], bins[threadIdx.x]);
}
__global__ void __launch_bounds__(64) float64_kernel(float* y, const float* x) {
  y[threadIdx.x] = float(double(x[threadIdx.x]) * 1.1);
}
__global__ void __launch_bounds__(64) local_kernel(float* y, const int* x) {
  float values[8];
  for (int i = 0; i < 8; ++i) values[i] = y[i];
  for (int i = 0; i < 8; ++i) values[x[i]] += 1;
  for (int i = 0; i < 8; ++i) y[i] = values[i];
}
__global__ void unbounded_kernel(float* y) { y[threadIdx.x] = 1; }
}  // namespace sample
