// Threads that wait for short pieces of work: a training step is ten of them, half a millisecond
// each.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

namespace oddity {

/// CPUs that the cgroup (version 2 or 1) allows on average; none: no limit.
std::optional<double> cgroup_quota();

/// CPUs this process may use: its affinity mask, further limited by cgroup_quota().
int available_threads();

/// Threads to work with: `asked` where that is not 0, else OMP_NUM_THREADS, else
/// available_threads(). Throws ArgumentError below 0.
int chosen_threads(int asked);

/// A fixed set of threads, the caller being the first. Idle ones spin for some microseconds, so
/// that short steps lose nothing, then sleep, so that a busy machine loses nothing either.
class ThreadPool {
 public:
  /// threads ≥ 1, the caller included.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Runs task(i, thread) once for each i < count, thread < threads() being the one that runs it,
  /// and returns when all are done. Which thread runs which task changes from run to run: results
  /// must not depend on it. Tasks must not throw. count < 2^20.
  void parallel_for(size_t count, const std::function<void(size_t, int)>& task);

 private:
  void work(int thread);
  bool run_one(int thread);

  // One word says all there is to say of the current job, so that a thread that comes late cannot
  // take a task of the wrong one: generation (24 bits), tasks (20), next task (20).
  std::atomic<uint64_t> job_{0};
  std::atomic<size_t> done_{0};
  std::atomic<bool> stop_{false};
  const std::function<void(size_t, int)>* task_ = nullptr;
  std::vector<std::thread> workers_;
};

}  // namespace oddity
