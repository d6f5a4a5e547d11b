#include "engine/cuda/selftest_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <utility>

#include "core/random.h"

namespace oddity::cuda {
namespace {

constexpr uint64_t kSeed = 42;
constexpr int kTimedRuns = 5;
constexpr size_t kGuard = 64;  // floats behind each tensor that nobody may touch
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

void synchronize(cudaStream_t stream) { check(cudaStreamSynchronize(stream)); }

/// The tensors of a case in device memory, each with its guard.
class TestMemory {
 public:
  TestMemory(const TestCase& test, cudaStream_t stream)
      : test_(test), stream_(stream), workspace_(test.workspace_bytes, "the workspace of a test") {
    for (const TestTensor& tensor : test.tensors) {
      buffers_.emplace_back(static_cast<int64_t>(tensor.before.size() + kGuard),
                            "the tensors of a test");
      pointers_.push_back(buffers_.back().data());
    }
  }

  /// One run from the numbers before it. Returns every tensor, with its guard.
  std::vector<std::vector<float>> run() {
    std::vector<std::vector<float>> numbers;
    for (size_t i = 0; i < buffers_.size(); ++i) {
      numbers.push_back(test_.tensors[i].before);
      const std::vector<float> guard = unwritten(kGuard);
      numbers.back().insert(numbers.back().end(), guard.begin(), guard.end());
      buffers_[i].upload(numbers[i], stream_);
    }
    if (test_.workspace_bytes > 0) {
      check(cudaMemsetAsync(workspace_.data(), 0xff, static_cast<size_t>(test_.workspace_bytes),
                            stream_));
    }
    enqueue();
    if (test_.collect) test_.collect(stream_, pointers_, workspace_.data());
    synchronize(stream_);
    for (size_t i = 0; i < buffers_.size(); ++i) buffers_[i].download(numbers[i], stream_);
    synchronize(stream_);
    return numbers;
  }
  void enqueue() { test_.enqueue(stream_, pointers_, workspace_.data()); }

 private:
  const TestCase& test_;
  cudaStream_t stream_;
  std::vector<DeviceBuffer<float>> buffers_;
  std::vector<float*> pointers_;
  DeviceBuffer<std::byte> workspace_;
};

/// NaN are the same where their bits are.
bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

bool only_the_expected_was_written(const TestTensor& tensor, std::span<const float> after) {
  const std::vector<float> guard = unwritten(kGuard);
  if (!same_bits(after.last(kGuard), guard)) return false;
  return !tensor.expected.empty() || same_bits(after.first(tensor.before.size()), tensor.before);
}

double error_of(std::span<const float> actual, const std::vector<double>& expected) {
  double difference = 0;
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double here = std::abs(static_cast<double>(actual[i]) - expected[i]);
    if (!std::isfinite(here)) return kNotANumber;
    difference = std::max(difference, here);
    largest = std::max(largest, std::abs(expected[i]));
  }
  return largest > 0 ? difference / largest : difference;
}

}  // namespace

std::vector<float> random_numbers(int64_t count, uint64_t stream, float low, float high) {
  Philox random(kSeed, stream);
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& number : numbers) number = low + (high - low) * random.uniform();
  return numbers;
}

std::vector<float> unwritten(size_t count) {
  return std::vector<float>(count, std::numeric_limits<float>::quiet_NaN());
}

double median_microseconds(cudaStream_t stream, const std::function<void()>& enqueue) {
  std::array<double, kTimedRuns> times{};
  Event start;
  Event end;
  for (double& time : times) {
    start.record(stream);
    enqueue();
    end.record(stream);
    end.synchronize();
    time = 1000 * static_cast<double>(end.since(start));
  }
  std::sort(times.begin(), times.end());
  return times[kTimedRuns / 2];
}

SelfTestResult run_case(const TestCase& test, cudaStream_t stream) {
  TestMemory memory(test, stream);
  SelfTestResult result{test.operation, test.computed_by, 0, test.tolerance, 0};
  const auto fail = [&result](const char* why) {
    result.operation += fmt::format(" ({})", why);
    result.error = kNotANumber;
  };
  const std::vector<std::vector<float>> first = memory.run();
  const std::vector<std::vector<float>> second = memory.run();
  for (size_t i = 0; i < test.tensors.size(); ++i) {
    const TestTensor& tensor = test.tensors[i];
    const double error = error_of(first[i], tensor.expected);
    if (!(error <= result.error)) result.error = error;
    if (std::isnan(result.error)) break;
  }
  for (size_t i = 0; i < test.tensors.size(); ++i) {
    if (!only_the_expected_was_written(test.tensors[i], first[i])) {
      fail("wrote beyond its results");
      break;
    }
  }
  if (!std::equal(first.begin(), first.end(), second.begin(), second.end(), same_bits)) {
    fail("two runs differ");
  }
  result.microseconds = median_microseconds(stream, [&memory] { memory.enqueue(); });
  return result;
}

}  // namespace oddity::cuda
