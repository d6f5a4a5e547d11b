#include "engine/cuda/resources.h"

#include "core/error.h"

namespace oddity::cuda {
namespace {

double mebibytes(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

void* allocate_device(size_t bytes, const char* purpose) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is reported here, and must not be found by a later check
    size_t free = 0;
    size_t total = 0;
    cudaMemGetInfo(&free, &total);
    throw DeviceError(
        "not enough device memory for {}: {:.1f} MiB are needed, {:.1f} of {:.1f} MiB are free: "
        "use a smaller batch, network or data set, or --device cpu",
        purpose, mebibytes(bytes), mebibytes(free), mebibytes(total));
  }
  check(error);
  return memory;
}

void* allocate_mapped(size_t bytes) {
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, bytes, cudaHostAllocMapped));
  return memory;
}

void* allocate_pinned(size_t bytes) {
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault));
  return memory;
}

void CapturedGraph::instantiate(cudaStream_t stream) {
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
  if (ended != cudaSuccess) cudaGetLastError();  // it is reported here
  check(ended);
  const cudaError_t counted = cudaGraphGetNodes(graph, nullptr, &nodes_);
  const cudaError_t made =
      counted == cudaSuccess ? cudaGraphInstantiate(&executable_, graph, 0) : counted;
  cudaGraphDestroy(graph);
  check(made);
}

void CapturedGraph::abandon(cudaStream_t stream) noexcept {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(stream, &graph);
  if (graph != nullptr) cudaGraphDestroy(graph);
  cudaGetLastError();
}

void CapturedGraph::reset() noexcept {
  if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
  executable_ = nullptr;
}

}  // namespace oddity::cuda
