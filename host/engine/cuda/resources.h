// Owners of what the CUDA runtime hands out: device memory, mapped host memory, streams, events,
// graphs. Move-only; destructors do not throw.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "check.h"

namespace oddity::cuda {

using kernels::check;

/// `bytes` of device memory; throws DeviceError that says what the memory is for, how much was
/// asked and how much there is.
void* allocate_device(size_t bytes, const char* purpose);
void* allocate_mapped(size_t bytes);
/// Page-locked host memory, which the device copies from at full speed.
void* allocate_pinned(size_t bytes);

struct DeviceDeleter {
  void operator()(void* memory) const noexcept { cudaFree(memory); }
};
struct HostDeleter {
  void operator()(void* memory) const noexcept { cudaFreeHost(memory); }
};

/// `size` elements of device memory, 256-byte aligned, not initialised.
template <typename T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(int64_t size, const char* purpose) : size_(size) {
    if (size > 0) {
      memory_.reset(
          static_cast<T*>(allocate_device(static_cast<size_t>(size) * sizeof(T), purpose)));
    }
  }

  T* data() const { return memory_.get(); }
  int64_t size() const { return size_; }

  /// Enqueues a copy of `values` to the first elements.
  void upload(std::span<const T> values, cudaStream_t stream) {
    if (values.empty()) return;
    check(cudaMemcpyAsync(data(), values.data(), values.size_bytes(), cudaMemcpyHostToDevice,
                          stream));
  }
  /// Enqueues a copy of the first elements to `values`; they are there once the stream is
  /// synchronised.
  void download(std::span<T> values, cudaStream_t stream) const {
    if (values.empty()) return;
    check(cudaMemcpyAsync(values.data(), data(), values.size_bytes(), cudaMemcpyDeviceToHost,
                          stream));
  }
  void clear(cudaStream_t stream) {
    if (size_ > 0)
      check(cudaMemsetAsync(data(), 0, static_cast<size_t>(size_) * sizeof(T), stream));
  }

 private:
  std::unique_ptr<T, DeviceDeleter> memory_;
  int64_t size_ = 0;
};

/// Host memory that the device writes to while the host reads it.
template <typename T>
class MappedBuffer {
 public:
  MappedBuffer() = default;
  explicit MappedBuffer(int64_t size)
      : memory_(static_cast<T*>(allocate_mapped(static_cast<size_t>(size) * sizeof(T)))),
        size_(size) {}

  T* host() const { return memory_.get(); }
  /// The same memory as kernels address it.
  T* device() const {
    void* address = nullptr;
    check(cudaHostGetDevicePointer(&address, memory_.get(), 0));
    return static_cast<T*>(address);
  }
  int64_t size() const { return size_; }

 private:
  std::unique_ptr<T, HostDeleter> memory_;
  int64_t size_ = 0;
};

/// Page-locked host memory, not initialised.
template <typename T>
class PinnedBuffer {
 public:
  explicit PinnedBuffer(int64_t size)
      : memory_(static_cast<T*>(allocate_pinned(static_cast<size_t>(size) * sizeof(T)))) {}

  T* data() const { return memory_.get(); }

 private:
  std::unique_ptr<T, HostDeleter> memory_;
};

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t get() const { return stream_; }
  /// Waits for everything enqueued, and reports what failed in it.
  void synchronize() const { check(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDefault)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream)); }
  /// What is enqueued on `stream` from now on comes after what was recorded.
  void hold_back(cudaStream_t stream) const { check(cudaStreamWaitEvent(stream, event_, 0)); }
  void synchronize() const { check(cudaEventSynchronize(event_)); }
  /// Milliseconds from `earlier` to this event; both must have happened.
  float since(const Event& earlier) const {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, earlier.event_, event_));
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// What was enqueued on a stream once, to be launched again and again.
class CapturedGraph {
 public:
  CapturedGraph() = default;
  /// Records what `work` enqueues on `stream`. Nothing of it runs yet.
  template <typename Work>
  CapturedGraph(cudaStream_t stream, Work&& work) {
    // Other threads may allocate meanwhile; this one must not.
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    try {
      work();
    } catch (...) {
      abandon(stream);
      throw;
    }
    instantiate(stream);
  }
  ~CapturedGraph() { reset(); }
  CapturedGraph(CapturedGraph&& other) noexcept
      : executable_(std::exchange(other.executable_, nullptr)) {
    nodes_ = other.nodes_;
  }
  CapturedGraph& operator=(CapturedGraph&& other) noexcept {
    std::swap(executable_, other.executable_);
    std::swap(nodes_, other.nodes_);
    return *this;
  }

  explicit operator bool() const { return executable_ != nullptr; }
  size_t nodes() const { return nodes_; }
  void launch(cudaStream_t stream) const { check(cudaGraphLaunch(executable_, stream)); }
  void reset() noexcept;

 private:
  void instantiate(cudaStream_t stream);
  static void abandon(cudaStream_t stream) noexcept;

  cudaGraphExec_t executable_ = nullptr;
  size_t nodes_ = 0;
};

}  // namespace oddity::cuda
