// Streams and events of the emulator: work is deferred, and the order that nobody asked for is not
// there. enqueue_host_work stands in for kernels.
#include <gtest/gtest.h>

#include <vector>

#include "check.h"
#include "emulator/emulator.h"

namespace oddity::emulator {
namespace {

using kernels::check;

struct Stream {
  Stream() { check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking)); }
  ~Stream() { EXPECT_EQ(cudaStreamDestroy(handle), cudaSuccess); }
  cudaStream_t handle = nullptr;
};

struct Event {
  Event() { check(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming)); }
  ~Event() { EXPECT_EQ(cudaEventDestroy(handle), cudaSuccess); }
  cudaEvent_t handle = nullptr;
};

class EveryOrder : public testing::TestWithParam<Order> {
 protected:
  void SetUp() override { settings().order = GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Streams, EveryOrder,
                         testing::Values(Order::kForward, Order::kReverse, Order::kRandom));

TEST_P(EveryOrder, NothingRunsBeforeSomebodyWaits) {
  const Stream stream;
  bool ran = false;
  check(enqueue_host_work(stream.handle, [&] { ran = true; }));
  EXPECT_FALSE(ran);
  check(cudaStreamSynchronize(stream.handle));
  EXPECT_TRUE(ran);
}

TEST_P(EveryOrder, OneStreamKeepsItsOrder) {
  const Stream stream;
  std::vector<int> ran;
  for (int i = 0; i < 5; ++i) {
    check(enqueue_host_work(stream.handle, [&ran, i] { ran.push_back(i); }));
  }
  check(cudaDeviceSynchronize());
  EXPECT_EQ(ran, (std::vector{0, 1, 2, 3, 4}));
}

TEST_P(EveryOrder, AQueryRunsAFewOperations) {
  settings().operations_a_query = 1;
  const Stream stream;
  int ran = 0;
  for (int i = 0; i < 3; ++i) {
    check(enqueue_host_work(stream.handle, [&ran] { ++ran; }));
  }
  EXPECT_EQ(cudaStreamQuery(stream.handle), cudaErrorNotReady);
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(cudaStreamQuery(stream.handle), cudaErrorNotReady);
  EXPECT_EQ(cudaStreamQuery(stream.handle), cudaSuccess);
  EXPECT_EQ(ran, 3);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_P(EveryOrder, AnEventOrdersTwoStreams) {
  const Stream first;
  const Stream second;
  const Event event;
  std::vector<int> ran;
  check(enqueue_host_work(first.handle, [&] { ran.push_back(1); }));
  check(cudaEventRecord(event.handle, first.handle));
  check(cudaStreamWaitEvent(second.handle, event.handle, 0));
  check(enqueue_host_work(second.handle, [&] { ran.push_back(2); }));
  check(cudaStreamSynchronize(second.handle));
  EXPECT_EQ(ran, (std::vector{1, 2}));
  EXPECT_EQ(cudaEventQuery(event.handle), cudaSuccess);
}

TEST(StreamOrder, WithoutAnEventOneOfTheOrdersShowsIt) {
  std::vector<std::vector<int>> seen;
  for (const Order order : {Order::kForward, Order::kReverse}) {
    settings().order = order;
    const Stream first;
    const Stream second;
    std::vector<int> ran;
    check(enqueue_host_work(first.handle, [&] { ran.push_back(1); }));
    check(enqueue_host_work(second.handle, [&] { ran.push_back(2); }));
    check(cudaDeviceSynchronize());
    seen.push_back(ran);
  }
  EXPECT_EQ(seen, (std::vector<std::vector<int>>{{1, 2}, {2, 1}}));
}

TEST(StreamOrder, WaitingForOneStreamDoesNotWaitForAnother) {
  settings().order = Order::kForward;
  const Stream first;
  const Stream second;
  bool ran = false;
  check(enqueue_host_work(first.handle, [&] { ran = true; }));
  check(enqueue_host_work(second.handle, [] {}));
  check(cudaStreamSynchronize(second.handle));
  EXPECT_FALSE(ran);
  check(cudaDeviceSynchronize());
}

TEST(StreamOrder, TheLegacyStreamWaitsForBlockingStreamsOnly) {
  settings().order = Order::kForward;
  cudaStream_t blocking = nullptr;
  check(cudaStreamCreateWithFlags(&blocking, cudaStreamDefault));
  const Stream other;
  bool blocking_ran = false;
  bool other_ran = false;
  check(enqueue_host_work(blocking, [&] { blocking_ran = true; }));
  check(enqueue_host_work(other.handle, [&] { other_ran = true; }));
  check(enqueue_host_work(nullptr, [] {}));
  check(cudaStreamSynchronize(nullptr));
  EXPECT_TRUE(blocking_ran);
  EXPECT_FALSE(other_ran);
  check(cudaDeviceSynchronize());
  check(cudaStreamDestroy(blocking));
}

TEST(StreamOrder, ADestroyedStreamStillDoesItsWork) {
  bool ran = false;
  {
    const Stream stream;
    check(enqueue_host_work(stream.handle, [&] { ran = true; }));
  }
  check(cudaDeviceSynchronize());
  EXPECT_TRUE(ran);
}

TEST(StreamOrder, ADestroyedHandleIsReported) {
  cudaStream_t handle = nullptr;
  {
    const Stream stream;
    handle = stream.handle;
  }
  EXPECT_EQ(cudaStreamSynchronize(handle), cudaErrorInvalidResourceHandle);
  ASSERT_EQ(reports().size(), 1u);
  EXPECT_EQ(reports()[0].kind, "bad-handle");
  reset();
}

}  // namespace
}  // namespace oddity::emulator
