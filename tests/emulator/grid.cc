// Runs a launch: its blocks over the workers.
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "emulator/block.h"
#include "emulator/internal.h"

namespace oddity::emulator {
namespace {

/// Host threads that wait for grids. They live as long as the program.
class Workers {
 public:
  ~Workers() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  /// Calls `work` on `count` threads, one of them the caller's.
  void run(unsigned count, const std::function<void()>& work) {
    std::unique_lock lock(mutex_);
    while (threads_.size() + 1 < count) {
      threads_.emplace_back(
          [this, number = unsigned(threads_.size()), seen = generation_] { serve(number, seen); });
    }
    work_ = &work;
    wanted_ = busy_ = count - 1;
    ++generation_;
    wake_.notify_all();
    lock.unlock();
    work();
    lock.lock();
    finished_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void serve(unsigned number, std::uint64_t seen) {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stop_ || (generation_ != seen && number < wanted_); });
      if (stop_) {
        return;
      }
      seen = generation_;
      lock.unlock();
      (*work_)();
      lock.lock();
      if (--busy_ == 0) {
        finished_.notify_all();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable finished_;
  std::vector<std::thread> threads_;
  const std::function<void()>* work_ = nullptr;
  std::uint64_t generation_ = 0;
  unsigned wanted_ = 0;
  unsigned busy_ = 0;
  bool stop_ = false;
};

Block& block_of_this_thread() {
  thread_local Block block;
  return block;
}

}  // namespace

bool run_grid(const Launch& launch) {
  const std::uint64_t threads = std::uint64_t(launch.block.x) * launch.block.y * launch.block.z;
  const std::uint64_t blocks = std::uint64_t(launch.grid.x) * launch.grid.y * launch.grid.z;
  const bool reverse = settings().order == Order::kReverse;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> good{true};
  const auto work = [&] {
    Block& block = block_of_this_thread();
    block.start_grid(launch);
    for (std::uint64_t i = 0; good && (i = next++) < blocks;) {
      const std::uint64_t number = reverse ? blocks - 1 - i : i;
      const std::uint64_t row = number / launch.grid.x;
      if (!block.run(launch, {unsigned(number % launch.grid.x), unsigned(row % launch.grid.y),
                              unsigned(row / launch.grid.y)})) {
        good = false;
      }
    }
  };
  constexpr std::uint64_t kWorthWaking = 4096;
  unsigned workers = unsigned(std::min<std::uint64_t>(settings().workers, blocks));
  if (has_checker() || threads * blocks < kWorthWaking) {
    workers = 1;
  }
  checker::launch_begins();
  if (workers > 1) {
    static Workers pool;
    pool.run(workers, work);
  } else {
    work();
  }
  checker::launch_ends();
  ++mutable_counters().launches;
  mutable_counters().threads += threads * blocks;
  return good;
}

}  // namespace oddity::emulator
