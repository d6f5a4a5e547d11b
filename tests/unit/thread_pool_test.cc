#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "core/error.h"

namespace oddity {
namespace {

TEST(ThreadPoolTest, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{7}, size_t{1000}}) {
      std::vector<int> runs(count);
      std::atomic<bool> thread_in_range = true;
      pool.parallel_for(count, [&](size_t task, int thread) {
        ++runs[task];
        if (thread < 0 || thread >= threads) thread_in_range = false;
      });
      EXPECT_EQ(std::accumulate(runs.begin(), runs.end(), 0), static_cast<int>(count));
      EXPECT_EQ(std::count(runs.begin(), runs.end(), 1), static_cast<std::ptrdiff_t>(count));
      EXPECT_TRUE(thread_in_range);
    }
  }
}

// A late worker must not take a task of the job after the one it saw: thousands of short jobs in a
// row would lose or repeat one.
TEST(ThreadPoolTest, ManyShortJobsLoseNothing) {
  ThreadPool pool(4);
  std::atomic<int64_t> sum = 0;
  int64_t expected = 0;
  for (int job = 0; job < 20000; ++job) {
    const size_t count = static_cast<size_t>(job % 5);
    pool.parallel_for(count, [&](size_t task, int) { sum += static_cast<int64_t>(task) + 1; });
    expected += static_cast<int64_t>(count * (count + 1) / 2);
  }
  EXPECT_EQ(sum, expected);
}

// After the spin the workers sleep; they must wake again.
TEST(ThreadPoolTest, WakesAfterAPause) {
  ThreadPool pool(3);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> runs = 0;
    pool.parallel_for(50, [&](size_t, int) { ++runs; });
    EXPECT_EQ(runs, 50);
  }
}

TEST(ThreadPoolTest, ResultsOfTasksAreSeenByTheCaller) {
  ThreadPool pool(2);
  std::vector<size_t> squares(64);
  for (int repeat = 0; repeat < 100; ++repeat) {
    std::fill(squares.begin(), squares.end(), size_t{0});
    pool.parallel_for(squares.size(), [&](size_t task, int) { squares[task] = task * task; });
    for (size_t i = 0; i < squares.size(); ++i) ASSERT_EQ(squares[i], i * i);
  }
}

// What makes a thread find its own data in its own cache again: left to itself it takes its part,
// in the order asked for.
TEST(ThreadPoolTest, AThreadBeginsWithItsOwnPartEachTime) {
  constexpr size_t kCount = 7;
  ThreadPool pool(2);
  for (const auto order : {ThreadPool::Order::upwards, ThreadPool::Order::downwards}) {
    for (int repeat = 0; repeat < 100; ++repeat) {
      // Each thread's first task waits for the other's, so that neither takes the other's part.
      std::array<std::atomic<size_t>, 2> first = {kCount, kCount};
      pool.parallel_for(
          kCount,
          [&](size_t task, int thread) {
            auto& mine = first[static_cast<size_t>(thread)];
            if (mine == kCount) mine = task;
            while (first[0] == kCount || first[1] == kCount) std::this_thread::yield();
          },
          order);
      const bool upwards = order == ThreadPool::Order::upwards;
      EXPECT_EQ(first[0], upwards ? 0u : 2u);
      EXPECT_EQ(first[1], upwards ? 3u : 6u);
    }
  }
}

TEST(ThreadPoolTest, OneThreadKeepsTheOrder) {
  ThreadPool pool(1);
  std::vector<size_t> order;
  pool.parallel_for(
      3, [&](size_t task, int) { order.push_back(task); }, ThreadPool::Order::downwards);
  EXPECT_EQ(order, (std::vector<size_t>{2, 1, 0}));
}

TEST(ThreadPoolTest, RefusesNoThreads) { EXPECT_THROW(ThreadPool(0), ArgumentError); }

TEST(AvailableThreadsTest, IsAtLeastOne) { EXPECT_GE(available_threads(), 1); }

}  // namespace
}  // namespace oddity
