// The emulated device itself: memory, copies, failing creations, leaks and what it says of itself.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "check.h"
#include "core/error.h"
#include "emulator/emulator.h"
#include "emulator/sanitizer.h"

namespace oddity::emulator {
namespace {

using kernels::check;
using testing::ExitedWithCode;

constexpr int kExitOfFault = 86;

float* allocate(std::size_t count) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, count * sizeof(float)));
  return static_cast<float*>(memory);
}

/// The kinds of the findings so far, which are then forgotten with everything else.
std::vector<std::string> found() {
  std::vector<std::string> kinds;
  for (const Report& report : reports()) {
    kinds.push_back(report.kind);
  }
  reset();
  return kinds;
}
using Kinds = std::vector<std::string>;

TEST(DeviceMemory, IsNotANumberAtFirst) {
  float* const memory = allocate(3);
  std::vector<float> values(3);
  check(cudaMemcpy(values.data(), memory, 3 * sizeof(float), cudaMemcpyDeviceToHost));
  EXPECT_TRUE(std::isnan(values[0]) && std::isnan(values[2]));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 256, 0u);
  check(cudaFree(memory));
}

TEST(DeviceMemory, MayNotBeTouchedByTheHost) {
  float* const memory = allocate(3);
  EXPECT_EXIT(memory[0] = 1.0f, ExitedWithCode(kExitOfFault), "host code touched device memory");
  check(cudaFree(memory));
}

TEST(DeviceMemory, MayNotBeTouchedByAHostFunctionOfAStream) {
  float* const memory = allocate(3);
  const auto touch = [](void* data) { *static_cast<float*>(data) = 1.0f; };
  EXPECT_EXIT(
      {
        check(cudaLaunchHostFunc(nullptr, touch, memory));
        cudaDeviceSynchronize();
      },
      ExitedWithCode(kExitOfFault), "host code touched device memory");
  check(cudaFree(memory));
}

TEST(DeviceMemory, IsOpenToHostWorkInPlaceOfKernels) {
  float* const memory = allocate(3);
  check(enqueue_host_work(nullptr, [memory] { memory[1] = 5.0f; }));
  float value = 0.0f;
  check(cudaMemcpy(&value, memory + 1, sizeof(float), cudaMemcpyDeviceToHost));
  EXPECT_EQ(value, 5.0f);
  check(cudaFree(memory));
}

TEST(DeviceMemory, IsFreedOnce) {
  float* const memory = allocate(3);
  check(cudaFree(memory));
  EXPECT_EQ(cudaFree(memory), cudaErrorInvalidValue);
  EXPECT_EQ(found(), Kinds{"bad-free"});
}

TEST(DeviceMemory, Ends) {
  settings().total_memory = 1000;
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, 1001), cudaErrorMemoryAllocation);
  check(cudaMalloc(&memory, 900));
  void* more = nullptr;
  EXPECT_EQ(cudaMalloc(&more, 200), cudaErrorMemoryAllocation);
  EXPECT_EQ(more, nullptr);
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &total_bytes));
  EXPECT_EQ(free_bytes, 100u);
  EXPECT_EQ(total_bytes, 1000u);
  check(cudaFree(memory));
}

TEST(Copies, OfAWrongKindAreRefused) {
  float* const memory = allocate(4);
  float host[4] = {};
  EXPECT_EQ(cudaMemcpy(memory, host, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(found(), Kinds{"copy-kind"});
}

TEST(Copies, BeyondAnAllocationAreRefused) {
  float* const memory = allocate(4);
  float host[5] = {};
  EXPECT_EQ(cudaMemcpy(memory, host, 17, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(memory + 1, 0, 16), cudaErrorInvalidValue);
  EXPECT_EQ(found(), (Kinds{"copy-bounds", "copy-bounds"}));
}

TEST(Copies, FromPinnedMemoryFreedTooEarlyAreFound) {
  float* const memory = allocate(4);
  void* pinned = nullptr;
  check(cudaHostAlloc(&pinned, 16, cudaHostAllocDefault));
  check(cudaMemcpyAsync(memory, pinned, 16, cudaMemcpyHostToDevice, nullptr));
  check(cudaFreeHost(pinned));
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  EXPECT_EQ(found(), Kinds{"use-after-free"});
}

TEST(Copies, FromAHostBufferFreedTooEarlyAreFoundByAddressSanitizer) {
  if (!EMULATOR_ASAN) {
    GTEST_SKIP() << "this build has no AddressSanitizer";
  }
  float* const memory = allocate(4);
  EXPECT_DEATH(
      {
        {
          const std::vector<float> host(4);
          check(cudaMemcpyAsync(memory, host.data(), 16, cudaMemcpyHostToDevice, nullptr));
        }
        cudaDeviceSynchronize();
      },
      "heap-use-after-free");
  check(cudaFree(memory));
}

TEST(PinnedMemory, IsMapped) {
  void* pinned = nullptr;
  void* mapped = nullptr;
  check(cudaHostAlloc(&pinned, 16, cudaHostAllocMapped));
  check(cudaHostGetDevicePointer(&mapped, pinned, 0));
  EXPECT_EQ(mapped, pinned);
  int other = 0;
  EXPECT_EQ(cudaHostGetDevicePointer(&mapped, &other, 0), cudaErrorInvalidValue);
  check(cudaFreeHost(pinned));
}

TEST(Creations, FailOneByOne) {
  struct Resources {
    ~Resources() {
      cudaGraphExecDestroyIf();
      cudaFree(memory);
      cudaFreeHost(pinned);
      if (event != nullptr) {
        cudaEventDestroy(event);
      }
      if (stream != nullptr) {
        cudaStreamDestroy(stream);
      }
    }
    void cudaGraphExecDestroyIf() const {
      if (executable != nullptr) {
        cudaGraphExecDestroy(executable);
      }
      if (graph != nullptr) {
        cudaGraphDestroy(graph);
      }
    }
    void* memory = nullptr;
    void* pinned = nullptr;
    cudaStream_t stream = nullptr;
    cudaEvent_t event = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
  };
  constexpr int kCreations = 6;
  for (int succeed = 0; succeed <= kCreations; ++succeed) {
    SCOPED_TRACE(succeed);
    settings().creations_until_failure = succeed;
    const auto create = [] {
      Resources resources;
      check(cudaMalloc(&resources.memory, 16));
      check(cudaHostAlloc(&resources.pinned, 16, cudaHostAllocDefault));
      check(cudaStreamCreateWithFlags(&resources.stream, cudaStreamNonBlocking));
      check(cudaEventCreateWithFlags(&resources.event, cudaEventDefault));
      check(cudaStreamBeginCapture(resources.stream, cudaStreamCaptureModeRelaxed));
      check(cudaStreamEndCapture(resources.stream, &resources.graph));
      check(cudaGraphInstantiate(&resources.executable, resources.graph, 0));
    };
    if (succeed < kCreations) {
      EXPECT_THROW(create(), DeviceError);
    } else {
      EXPECT_NO_THROW(create());
    }
    EXPECT_EQ(leaks(), "");
  }
}

TEST(Leaks, AreNamed) {
  allocate(4);
  void* pinned = nullptr;
  check(cudaHostAlloc(&pinned, 24, cudaHostAllocDefault));
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDefault));
  EXPECT_EQ(leaks(), "device memory of 16 bytes\nevent\npinned memory of 24 bytes\nstream\n");
  reset();
  EXPECT_EQ(leaks(), "");
}

TEST(Device, SaysWhatTheSettingsSay) {
  settings().compute_major = 7;
  settings().compute_minor = 5;
  settings().total_memory = 1 << 20;
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0));
  EXPECT_STREQ(properties.name, "emulator");
  EXPECT_EQ(properties.major * 10 + properties.minor, 75);
  EXPECT_EQ(properties.totalGlobalMem, 1u << 20);
  EXPECT_EQ(properties.sharedMemPerBlockOptin, 64u << 10);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);

  int count = 7;
  settings().device_count_error = cudaErrorInsufficientDriver;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  settings().device_count_error = cudaSuccess;
  settings().device_count = 0;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, 0);
  cudaGetLastError();
}

TEST(Errors, NameThePlaceOfTheCall) {
  try {
    check(cudaSetDevice(9));
    FAIL() << "nothing thrown";
  } catch (const DeviceError& error) {
    EXPECT_EQ(
        std::string(error.what())
            .rfind("CUDA: invalid device ordinal (cudaErrorInvalidDevice) at runtime_test.cc:", 0),
        0u)
        << error.what();
  }
}

}  // namespace
}  // namespace oddity::emulator
