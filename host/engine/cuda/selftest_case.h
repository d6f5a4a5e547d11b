// One computation of the device, run and compared with what it must give: what every row of
// `oddity selftest` goes through.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/cuda/resources.h"
#include "engine/engine.h"

namespace oddity::cuda {

struct TestTensor {
  std::vector<float> before;     // its numbers before a run
  std::vector<double> expected;  // the first of them after it; none: all are to stay as they are
};

/// `count` random numbers, uniform in [low, high), the same for the same `stream`.
std::vector<float> random_numbers(int64_t count, uint64_t stream, float low = -1, float high = 1);
/// Sums, as for the operations (selftest.cc): also of numbers that a few roundings have passed.
inline constexpr double kSum = 1e-5;

inline int64_t bytes(int64_t floats) { return floats * static_cast<int64_t>(sizeof(float)); }
/// NaN, which no comparison takes for a result.
std::vector<float> unwritten(size_t count);

/// One that is only read, and one that is only written.
inline TestTensor input(std::vector<float> numbers) { return {std::move(numbers), {}}; }
inline TestTensor output(std::vector<double> expected) {
  return {unwritten(expected.size()), std::move(expected)};
}
inline std::vector<double> widen(const std::vector<float>& numbers) {
  return {numbers.begin(), numbers.end()};
}

/// What is not float32 lives beside a case's tensors for as long as the case does.
template <typename T>
std::shared_ptr<DeviceBuffer<T>> on_device(const std::vector<T>& values, cudaStream_t stream) {
  auto buffer =
      std::make_shared<DeviceBuffer<T>>(static_cast<int64_t>(values.size()), "a test's data");
  buffer->upload(values, stream);
  check(cudaStreamSynchronize(stream));
  return buffer;
}

/// A case's tensors in device memory, 256-byte aligned.
using Pointers = std::span<float* const>;

struct TestCase {
  std::string operation = "";
  std::string computed_by = "kernels";
  double tolerance = 0;
  std::vector<TestTensor> tensors = {};
  int64_t workspace_bytes = 0;
  using Enqueue = std::function<void(cudaStream_t, Pointers tensors, void* workspace)>;
  /// Enqueues one run.
  Enqueue enqueue = {};
  /// Makes tensors of what a run left in the workspace, in parts that are the kernel's own affair;
  /// not measured.
  Enqueue collect = {};
};

/// Runs it twice from the same numbers, the workspace full of NaN, then a few times more to measure
/// it. The error is the largest difference of a tensor's numbers, of its largest; NaN where a
/// number is NaN, where two runs differ in a bit, or where something was written that was not to
/// be: the name of the operation then says so. Throws DeviceError.
SelfTestResult run_case(const TestCase& test, cudaStream_t stream);

/// Microseconds of the median of five runs, by the device's own clock.
double median_microseconds(cudaStream_t stream, const std::function<void()>& enqueue);

}  // namespace oddity::cuda
