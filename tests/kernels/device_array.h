// Device memory of a test: guarded, poisoned, and only through the CUDA runtime, so that the same
// tests can be built for a device.
#pragma once

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "check.h"

namespace oddity::kernels {

/// `size` elements on the device between two guards, all bytes 0xFF: a float or double that a
/// kernel reads without anybody having written it is NaN. The destructor fails the test if a guard
/// was written to. The first element is 256-byte aligned, as from cudaMalloc.
template <typename T>
class DeviceArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit DeviceArray(std::size_t size) : size_(size) {
    check(cudaMalloc(&memory_, bytes() + 2 * kGuard));
    check(cudaMemset(memory_, kPoison, bytes() + 2 * kGuard));
    check(cudaDeviceSynchronize());  // cudaMemset need not have happened, and streams differ
  }
  explicit DeviceArray(std::span<const T> values) : DeviceArray(values.size()) { upload(values); }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(std::span<const T>(values)) {}
  ~DeviceArray() {
    expect_intact();
    EXPECT_EQ(cudaFree(memory_), cudaSuccess);
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() { return reinterpret_cast<T*>(static_cast<char*>(memory_) + kGuard); }
  const T* data() const { return const_cast<DeviceArray*>(this)->data(); }
  std::size_t size() const { return size_; }

  /// Replaces all elements; `values` has as many. Waits for the device before and after.
  void upload(std::span<const T> values) {
    ASSERT_EQ(values.size(), size_);
    check(cudaDeviceSynchronize());
    check(cudaMemcpy(data(), values.data(), bytes(), cudaMemcpyHostToDevice));
    check(cudaDeviceSynchronize());
  }
  /// All elements, after all work on the device.
  std::vector<T> download() const {
    std::vector<T> values(size_);
    check(cudaDeviceSynchronize());
    check(cudaMemcpy(values.data(), data(), bytes(), cudaMemcpyDeviceToHost));
    return values;
  }

  /// Fails the test if memory just before or behind the elements was written.
  void expect_intact() const {
    std::vector<unsigned char> guard(2 * kGuard);
    const char* const memory = static_cast<const char*>(memory_);
    if (cudaDeviceSynchronize() != cudaSuccess ||
        cudaMemcpy(guard.data(), memory, kGuard, cudaMemcpyDeviceToHost) != cudaSuccess ||
        cudaMemcpy(guard.data() + kGuard, memory + kGuard + bytes(), kGuard,
                   cudaMemcpyDeviceToHost) != cudaSuccess) {
      ADD_FAILURE() << "the device failed: " << cudaGetErrorString(cudaGetLastError());
      return;
    }
    for (std::size_t i = 0; i < guard.size(); ++i) {
      if (guard[i] != kPoison) {
        ADD_FAILURE() << "a kernel wrote " << (i < kGuard ? kGuard - i : i - kGuard + 1)
                      << (i < kGuard ? " bytes before" : " bytes past the end of")
                      << " an array of " << size_ << " elements";
        return;
      }
    }
  }

 private:
  static constexpr std::size_t kGuard = 256;  // keeps the alignment of cudaMalloc
  static constexpr int kPoison = 0xFF;
  std::size_t bytes() const { return size_ * sizeof(T); }

  std::size_t size_;
  void* memory_ = nullptr;
};

}  // namespace oddity::kernels
