// A list of launches with what each reads and writes: enqueued in order, or captured as a graph in
// which each comes after those alone that it depends on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/cuda/resources.h"

namespace oddity::cuda {

/// A piece of device memory.
struct MemoryRange {
  uintptr_t begin = 0;
  uintptr_t end = 0;

  MemoryRange() = default;
  template <typename T>
  MemoryRange(const T* data, int64_t size)
      : begin(reinterpret_cast<uintptr_t>(data)),
        end(begin + static_cast<uintptr_t>(size) * sizeof(T)) {}
  int64_t bytes() const { return static_cast<int64_t>(end - begin); }
};

struct LaunchNode {
  std::string name;
  int64_t flop = 0;  // of its products (flop.h), for those who look at the plan
  std::vector<MemoryRange> reads;
  std::vector<MemoryRange> writes;
  std::function<void(cudaStream_t)> launch;  // exactly one kernel
  std::vector<size_t> after;  // earlier nodes; none of which comes after another of them
};

class LaunchPlan {
 public:
  /// Adds a launch that comes after all that were added before it and write what it reads or
  /// writes, or read what it writes.
  void add(std::string name, int64_t flop, std::vector<MemoryRange> reads,
           std::vector<MemoryRange> writes, std::function<void(cudaStream_t)> launch);

  const std::vector<LaunchNode>& nodes() const { return nodes_; }
  /// These launches so many times in a row: of two repetitions, too, each launch comes after those
  /// alone that it depends on.
  LaunchPlan repeated(int64_t times) const;
  /// Nodes of the longest chain of dependencies.
  size_t critical_path() const;

  /// Enqueues all, in order.
  void enqueue(cudaStream_t stream) const;
  /// All as a graph with these dependencies and no others. Throws DeviceError.
  CapturedGraph capture(cudaStream_t stream) const;

 private:
  std::vector<LaunchNode> nodes_;
  std::vector<std::vector<bool>> earlier_;  // of each node, whether an earlier one comes before it
};

}  // namespace oddity::cuda
