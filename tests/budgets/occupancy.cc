// How full a kernel can keep an SM, computed without a GPU. Reads lines
//   <architecture, such as 86> <registers a thread> <static shared memory, bytes> <threads of a
//   block>
// from standard input and answers each with a line: the warps that fit an SM at once, the warps
// that it could hold, and their ratio in whole percent.
#include <cuda_occupancy.h>

#include <cstdio>
#include <iostream>
#include <string>

namespace {

// Table "Technical Specifications per Compute Capability" of the CUDA C++ Programming Guide. The
// number of SMs differs between GPUs of an architecture and plays no part here.
struct Architecture {
  int number;
  int threads;          // resident in an SM at most
  int shared;           // bytes of shared memory of an SM
  int shared_opt_in;    // bytes of which a block may have, asked for
  int shared_reserved;  // bytes of each block that the system takes
};
constexpr Architecture kArchitectures[] = {
    {75, 1024, 65536, 65536, 0},       {80, 2048, 167936, 166912, 1024},
    {86, 1536, 102400, 101376, 1024},  {89, 1536, 102400, 101376, 1024},
    {90, 2048, 233472, 232448, 1024},  {100, 2048, 233472, 232448, 1024},
    {120, 1536, 102400, 101376, 1024},
};
constexpr int kRegisters = 65536;  // of an SM, and of a block at most
constexpr int kWarp = 32;

cudaOccDeviceProp properties(const Architecture& architecture) {
  cudaOccDeviceProp result;
  result.computeMajor = architecture.number / 10;
  result.computeMinor = architecture.number % 10;
  result.maxThreadsPerBlock = 1024;
  result.maxThreadsPerMultiprocessor = architecture.threads;
  result.regsPerBlock = kRegisters;
  result.regsPerMultiprocessor = kRegisters;
  result.warpSize = kWarp;
  result.sharedMemPerBlock = 48 * 1024;
  result.sharedMemPerMultiprocessor = static_cast<size_t>(architecture.shared);
  result.sharedMemPerBlockOptin = static_cast<size_t>(architecture.shared_opt_in);
  result.reservedSharedMemPerBlock = static_cast<size_t>(architecture.shared_reserved);
  result.numSms = 1;
  return result;
}

/// Warps of an SM; -1 where cuda_occupancy.h refuses the numbers.
int resident_warps(const Architecture& architecture, int registers, size_t shared, int block) {
  const cudaOccDeviceProp device = properties(architecture);
  cudaOccFuncAttributes kernel;
  kernel.maxThreadsPerBlock = block;
  kernel.numRegs = registers;
  kernel.sharedSizeBytes = shared;
  const cudaOccDeviceState state;
  cudaOccResult result;
  if (cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &kernel, &state, block, 0) !=
      CUDA_OCC_SUCCESS) {
    return -1;
  }
  return result.activeBlocksPerMultiprocessor * ((block + kWarp - 1) / kWarp);
}

const Architecture* find(int number) {
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.number == number) return &architecture;
  }
  return nullptr;
}

}  // namespace

int main() {
  int number = 0;
  int registers = 0;
  size_t shared = 0;
  int block = 0;
  while (std::cin >> number >> registers >> shared >> block) {
    const Architecture* const architecture = find(number);
    if (architecture == nullptr) {
      std::fprintf(stderr, "sm_%d is not in occupancy.cc: add its row\n", number);
      return 1;
    }
    const int warps = resident_warps(*architecture, registers, shared, block);
    if (warps < 0) {
      std::fprintf(stderr, "sm_%d cannot have %d registers, %zu bytes and %d threads\n", number,
                   registers, shared, block);
      return 1;
    }
    const int most = architecture->threads / kWarp;
    std::printf("%d %d %d\n", warps, most, 100 * warps / most);
  }
  return std::cin.eof() ? 0 : 1;
}
