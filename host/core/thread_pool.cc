#include "core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "core/error.h"

namespace oddity {
namespace {

constexpr uint64_t kTaskBits = 20;
constexpr uint64_t kTaskMask = (uint64_t{1} << kTaskBits) - 1;

uint64_t next_of(uint64_t job) { return job & kTaskMask; }
uint64_t count_of(uint64_t job) { return (job >> kTaskBits) & kTaskMask; }

// Waking a sleeping thread takes a few tens of microseconds, in a virtual machine a hundred; the
// gap between two parallel parts of a step takes about one, and the wait for another thread's last
// task up to half a millisecond. So a thread that waits spins first; then it spins on, but leaves
// its CPU to whoever wants it; then it sleeps.
constexpr auto kSpin = std::chrono::microseconds(60);
constexpr auto kYield = std::chrono::microseconds(600);

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins until ready() or the time is over; says which.
template <typename Ready>
bool spin_until(Ready ready) {
  const auto begin = std::chrono::steady_clock::now();
  for (auto now = begin; now < begin + kYield; now = std::chrono::steady_clock::now()) {
    for (int i = 0; i < 64; ++i) {
      if (ready()) return true;
      pause();
    }
    if (now > begin + kSpin) std::this_thread::yield();
  }
  return false;
}

}  // namespace

std::optional<double> cgroup_quota() {
  double quota = -1;
  double period = 0;
  // "<quota> <period>" in microseconds, or "max <period>", which is no number.
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); !(file >> quota >> period)) {
    quota = -1;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota > 0 && period > 0) return quota / period;
  return std::nullopt;
}

int available_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  if (const std::optional<double> cpus = cgroup_quota()) {
    count = static_cast<int>(std::min<double>(count, std::ceil(*cpus)));
  }
  return std::max(count, 1);
}

int chosen_threads(int asked) {
  if (asked > 0) return asked;
  if (asked < 0) throw ArgumentError("threads: at least 1 is needed, not {}", asked);
  const char* variable = std::getenv("OMP_NUM_THREADS");
  int wanted = 0;
  if (variable != nullptr) std::from_chars(variable, variable + std::strlen(variable), wanted);
  return wanted > 0 ? wanted : available_threads();
}

ThreadPool::ThreadPool(int threads) {
  if (threads < 1) throw ArgumentError("threads: at least 1 is needed, not {}", threads);
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  job_ += uint64_t{1} << (2 * kTaskBits);  // a new generation without tasks
  job_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool ThreadPool::run_one(int thread) {
  uint64_t job = job_.load(std::memory_order_acquire);
  do {
    if (next_of(job) == count_of(job)) return false;
  } while (!job_.compare_exchange_weak(job, job + 1, std::memory_order_acq_rel));
  // The claim keeps this job alive: parallel_for returns only when its task is done.
  (*task_)(next_of(job), thread);
  if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_of(job)) done_.notify_one();
  return true;
}

void ThreadPool::work(int thread) {
  while (!stop_) {
    const uint64_t seen = job_.load(std::memory_order_acquire);
    if (run_one(thread)) continue;
    if (!spin_until([&] { return job_.load(std::memory_order_acquire) != seen; })) job_.wait(seen);
  }
}

void ThreadPool::parallel_for(size_t count, const std::function<void(size_t, int)>& task) {
  if (workers_.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) task(i, 0);
    return;
  }
  task_ = &task;
  done_.store(0, std::memory_order_relaxed);
  const uint64_t generation = (job_.load(std::memory_order_relaxed) >> (2 * kTaskBits)) + 1;
  job_.store(generation << (2 * kTaskBits) | uint64_t{count} << kTaskBits,
             std::memory_order_release);
  job_.notify_all();
  while (run_one(0)) {
  }
  const auto finished = [&] { return done_.load(std::memory_order_acquire) == count; };
  while (!spin_until(finished)) {
    const size_t done = done_.load(std::memory_order_acquire);
    if (done != count) done_.wait(done);
  }
}

}  // namespace oddity
