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

  /// In which order a thread takes the tasks of its share.
  enum class Order { upwards, downwards };

  /// Runs task(i, thread) once for each i < count, thread < threads() being the one that runs it,
  /// and returns when all are done. Tasks are shared out evenly: thread t begins with the t-th part
  /// of them, the same at each call, so that it finds in its own cache what it left there. Then
  /// threads take what is left of others' parts. So which thread runs which task changes from run
  /// to run: results must not depend on it. Tasks must not throw. count < 2^24.
  void parallel_for(size_t count, const std::function<void(size_t, int)>& task,
                    Order order = Order::upwards);

 private:
  // The tasks [begin, end) that are left of a part: its job (16 bits), end (24), begin (24). On a
  // cache line of its own, as its owner takes most of them.
  struct alignas(64) Part {
    std::atomic<uint64_t> left{0};
  };

  void work(int thread);
  /// A task of a part, its first or its last; none where all are taken, or it is another job's.
  static std::optional<size_t> take(Part& part, bool first, uint64_t job);
  std::optional<size_t> next_task(int thread);
  bool run_one(int thread);

  std::vector<Part> parts_;  // of each thread
  std::atomic<uint32_t> job_{0};
  std::atomic<size_t> done_{0};
  std::atomic<bool> stop_{false};
  // Of the current job; set before its parts are, and read after one of its tasks is taken.
  const std::function<void(size_t, int)>* task_ = nullptr;
  size_t count_ = 0;
  std::atomic<bool> upwards_{true};  // a late thread may read it before it finds nothing to do
  std::vector<std::thread> workers_;
};

}  // namespace oddity
