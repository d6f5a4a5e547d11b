// Capture and replay of graphs on the emulator.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "check.h"
#include "emulator/emulator.h"

namespace oddity::emulator {
namespace {

using kernels::check;

class Graphs : public testing::Test {
 protected:
  void SetUp() override {
    for (cudaStream_t* stream : {&main_, &side_}) {
      check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking));
    }
    for (cudaEvent_t* event : {&fork_, &join_}) {
      check(cudaEventCreateWithFlags(event, cudaEventDisableTiming));
    }
  }
  void TearDown() override {
    for (cudaStream_t stream : {main_, side_}) {
      check(cudaStreamDestroy(stream));
    }
    for (cudaEvent_t event : {fork_, join_}) {
      check(cudaEventDestroy(event));
    }
  }
  void add(cudaStream_t stream, int number) {
    check(enqueue_host_work(stream, [this, number] { ran_.push_back(number); }));
  }
  /// 1, then 2 on the main stream and 3 on the side, then (if joined) 4.
  cudaError_t capture(bool joined, cudaGraph_t* graph) {
    check(cudaStreamBeginCapture(main_, cudaStreamCaptureModeThreadLocal));
    add(main_, 1);
    check(cudaEventRecord(fork_, main_));
    check(cudaStreamWaitEvent(side_, fork_, 0));
    add(main_, 2);
    add(side_, 3);
    if (joined) {
      check(cudaEventRecord(join_, side_));
      check(cudaStreamWaitEvent(main_, join_, 0));
      add(main_, 4);
    }
    return cudaStreamEndCapture(main_, graph);
  }

  cudaStream_t main_ = nullptr;
  cudaStream_t side_ = nullptr;
  cudaEvent_t fork_ = nullptr;
  cudaEvent_t join_ = nullptr;
  std::vector<int> ran_;
};

TEST_F(Graphs, ReplayInEveryOrderThatTheDependenciesAllow) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check(capture(true, &graph));
  std::size_t nodes = 0;
  check(cudaGraphGetNodes(graph, nullptr, &nodes));
  EXPECT_EQ(nodes, 4u);
  check(cudaGraphInstantiate(&executable, graph, 0));
  check(cudaGraphDestroy(graph));
  EXPECT_TRUE(ran_.empty());

  std::vector<std::vector<int>> seen;
  for (const Order order : {Order::kForward, Order::kReverse}) {
    settings().order = order;
    check(cudaGraphLaunch(executable, main_));
    check(cudaStreamSynchronize(main_));
    seen.push_back(ran_);
    ran_.clear();
  }
  check(cudaGraphExecDestroy(executable));
  EXPECT_EQ(seen, (std::vector<std::vector<int>>{{1, 2, 3, 4}, {1, 3, 2, 4}}));
}

TEST_F(Graphs, AForgottenBranchIsAnError) {
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(capture(false, &graph), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(graph, nullptr);
}

TEST_F(Graphs, WaitingForACapturingStreamInvalidatesTheCapture) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamBeginCapture(main_, cudaStreamCaptureModeThreadLocal));
  EXPECT_EQ(cudaStreamSynchronize(main_), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(main_, &graph), cudaErrorStreamCaptureInvalidated);
}

TEST_F(Graphs, AllocatingDuringACaptureIsAnError) {
  cudaGraph_t graph = nullptr;
  void* memory = nullptr;
  check(cudaStreamBeginCapture(main_, cudaStreamCaptureModeThreadLocal));
  EXPECT_EQ(cudaMalloc(&memory, 16), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(main_, &graph), cudaErrorStreamCaptureInvalidated);
}

TEST_F(Graphs, ARelaxedCaptureAllowsAllocation) {
  cudaGraph_t graph = nullptr;
  void* memory = nullptr;
  check(cudaStreamBeginCapture(main_, cudaStreamCaptureModeRelaxed));
  EXPECT_EQ(cudaMalloc(&memory, 16), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(main_, &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

TEST_F(Graphs, CopiesAreReplayed) {
  void* device = nullptr;
  void* pinned = nullptr;
  check(cudaMalloc(&device, sizeof(int)));
  check(cudaHostAlloc(&pinned, sizeof(int), cudaHostAllocMapped));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check(cudaStreamBeginCapture(main_, cudaStreamCaptureModeThreadLocal));
  check(cudaMemcpyAsync(device, pinned, sizeof(int), cudaMemcpyHostToDevice, main_));
  check(cudaStreamEndCapture(main_, &graph));
  check(cudaGraphInstantiate(&executable, graph, 0));
  for (const int value : {7, 8}) {
    *static_cast<int*>(pinned) = value;
    check(cudaGraphLaunch(executable, main_));
    check(cudaStreamSynchronize(main_));
    int copied = 0;
    check(cudaMemcpy(&copied, device, sizeof(int), cudaMemcpyDeviceToHost));
    EXPECT_EQ(copied, value);
  }
  check(cudaGraphExecDestroy(executable));
  check(cudaGraphDestroy(graph));
  check(cudaFreeHost(pinned));
  check(cudaFree(device));
}

}  // namespace
}  // namespace oddity::emulator
