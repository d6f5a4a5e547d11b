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

size_t checked(int threads) {
  if (threads < 1) throw ArgumentError("threads: at least 1 is needed, not {}", threads);
  return static_cast<size_t>(threads);
}

constexpr int kTaskBits = 24;
constexpr uint64_t kTaskMask = (uint64_t{1} << kTaskBits) - 1;

uint64_t tasks_left(uint64_t job, uint64_t begin, uint64_t end) {
  return job << (2 * kTaskBits) | end << kTaskBits | begin;
}
uint64_t job_of(uint64_t left) { return left >> (2 * kTaskBits); }
uint64_t end_of(uint64_t left) { return left >> kTaskBits & kTaskMask; }
uint64_t begin_of(uint64_t left) { return left & kTaskMask; }

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

ThreadPool::ThreadPool(int threads) : parts_(checked(threads)) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  ++job_;
  job_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

std::optional<size_t> ThreadPool::take(Part& part, bool first, uint64_t job) {
  uint64_t left = part.left.load(std::memory_order_acquire);
  uint64_t begin, end;
  do {
    begin = begin_of(left);
    end = end_of(left);
    if (begin == end || job_of(left) != job) return std::nullopt;
  } while (!part.left.compare_exchange_weak(
      left, first ? tasks_left(job, begin + 1, end) : tasks_left(job, begin, end - 1),
      std::memory_order_acq_rel));
  return first ? begin : end - 1;
}

std::optional<size_t> ThreadPool::next_task(int thread) {
  const auto own = static_cast<size_t>(thread);
  // A thread that is late with one job must not take others' tasks of the next before its own are
  // there.
  const uint64_t job = job_of(parts_[own].left.load(std::memory_order_acquire));
  const size_t threads = parts_.size();
  const bool upwards = upwards_.load(std::memory_order_relaxed);
  if (const auto task = take(parts_[own], upwards, job)) return task;
  // Of another's part what it would come to last.
  for (size_t i = 1; i < threads; ++i) {
    if (const auto task = take(parts_[(own + i) % threads], !upwards, job)) return task;
  }
  return std::nullopt;
}

bool ThreadPool::run_one(int thread) {
  const std::optional<size_t> task = next_task(thread);
  if (!task) return false;
  // The claim keeps this job alive: parallel_for returns only when its task is done.
  (*task_)(*task, thread);
  const size_t count = count_;  // not after the last task is done: the next job may set it
  if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) done_.notify_one();
  return true;
}

void ThreadPool::work(int thread) {
  while (!stop_) {
    const uint32_t seen = job_.load(std::memory_order_acquire);
    if (run_one(thread)) continue;
    const auto changed = [&] { return job_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(changed)) job_.wait(seen);
  }
}

void ThreadPool::parallel_for(size_t count, const std::function<void(size_t, int)>& task,
                              Order order) {
  task_ = &task;
  count_ = count;
  upwards_.store(order == Order::upwards, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const size_t threads = parts_.size();
  const uint64_t job = (job_.load(std::memory_order_relaxed) + 1) & 0xffff;
  for (size_t i = 0; i < threads; ++i) {
    parts_[i].left.store(tasks_left(job, i * count / threads, (i + 1) * count / threads),
                         std::memory_order_release);
  }
  job_.fetch_add(1, std::memory_order_acq_rel);
  if (count > 1) job_.notify_all();
  while (run_one(0)) {
  }
  const auto finished = [&] { return done_.load(std::memory_order_acquire) == count; };
  while (!spin_until(finished)) {
    const size_t done = done_.load(std::memory_order_acquire);
    if (done != count) done_.wait(done);
  }
}

}  // namespace oddity
