// Dependencies of launches, and the graphs made of them.
#include "engine/cuda/launch_plan.h"

#include <gtest/gtest.h>

#include "activation.h"
#include "emulator/emulator.h"

namespace oddity::test {
namespace {

using cuda::LaunchPlan;
using cuda::MemoryRange;
using Nodes = std::vector<size_t>;

const char memory[100] = {};
MemoryRange bytes(int64_t begin, int64_t end) { return {memory + begin, end - begin}; }

/// Adds a launch that is never made.
void add(LaunchPlan& plan, std::vector<MemoryRange> reads, std::vector<MemoryRange> writes) {
  plan.add("test", 0, std::move(reads), std::move(writes), [](cudaStream_t) {});
}

TEST(LaunchPlan, WhatTouchesTheSameMemoryComesInOrder) {
  LaunchPlan plan;
  add(plan, {}, {bytes(0, 10)});
  add(plan, {bytes(9, 20)}, {bytes(20, 30)});   // reads what the first wrote
  add(plan, {bytes(10, 20)}, {bytes(40, 50)});  // beside both
  add(plan, {}, {bytes(15, 16)});               // writes what both have read
  add(plan, {}, {bytes(29, 41)});               // writes what both have written
  EXPECT_EQ(plan.nodes()[1].after, (Nodes{0}));
  EXPECT_EQ(plan.nodes()[2].after, Nodes{});
  EXPECT_EQ(plan.nodes()[3].after, (Nodes{2, 1}));
  EXPECT_EQ(plan.nodes()[4].after, (Nodes{2, 1}));
  EXPECT_EQ(plan.critical_path(), 3u);
}

TEST(LaunchPlan, ReadersOfTheSameMemoryAreFree) {
  LaunchPlan plan;
  add(plan, {bytes(0, 10)}, {bytes(10, 11)});
  add(plan, {bytes(0, 10)}, {bytes(11, 12)});
  EXPECT_TRUE(plan.nodes()[1].after.empty());
  EXPECT_EQ(plan.critical_path(), 1u);
}

TEST(LaunchPlan, WhatFollowsFromOtherDependenciesIsNoneOfItsOwn) {
  LaunchPlan plan;
  add(plan, {}, {bytes(0, 1)});
  add(plan, {bytes(0, 1)}, {bytes(1, 2)});
  add(plan, {bytes(0, 2)}, {bytes(2, 3)});
  add(plan, {bytes(0, 1), bytes(2, 3)}, {});
  EXPECT_EQ(plan.nodes()[2].after, (Nodes{1}));
  EXPECT_EQ(plan.nodes()[3].after, (Nodes{2}));
  EXPECT_EQ(plan.critical_path(), 4u);
}

TEST(LaunchPlan, RepeatedIsWhatOneAfterTheOtherDependsOn) {
  LaunchPlan plan;
  add(plan, {bytes(9, 10)}, {bytes(0, 1)});
  add(plan, {bytes(0, 1)}, {bytes(1, 2)});
  add(plan, {bytes(0, 1)}, {bytes(9, 10)});
  add(plan, {}, {bytes(20, 21)});
  const LaunchPlan twice = plan.repeated(2);
  ASSERT_EQ(twice.nodes().size(), 8u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(twice.nodes()[i].after, plan.nodes()[i].after);
  EXPECT_EQ(twice.nodes()[4].after, (Nodes{2, 1}));  // reads what the third wrote, over the first's
  EXPECT_EQ(twice.nodes()[5].after, (Nodes{4}));
  EXPECT_EQ(twice.nodes()[6].after, (Nodes{4}));
  EXPECT_EQ(twice.nodes()[7].after, (Nodes{3}));  // the fourth is beside all but itself
  EXPECT_EQ(twice.critical_path(), 4u);
}

/// A diamond twice over: one map, three made of it, one made of the last two, and the first again.
/// Each launch multiplies negative numbers by a slope of its own.
class Diamond {
 public:
  Diamond() {
    for (auto& map : maps_) map = {kSize, "test"};
    launch(0, 1, 0.5f);
    launch(1, 2, 3);
    launch(1, 3, 5);
    launch(1, 4, 7);
    launch(4, 5, 11);
    launch(2, 4, 13);  // over what the fifth has read
    launch(5, 0, 17);  // over what the first has read
    launch(4, 1, 19);
  }
  const LaunchPlan& plan() const { return plan_; }
  std::vector<float> result(const std::function<void(cudaStream_t)>& run) {
    const std::vector<float> start(kSize, -1.0f);
    for (auto& map : maps_) map.upload(start, stream_.get());
    stream_.synchronize();
    run(stream_.get());
    std::vector<float> all;
    for (const auto& map : maps_) {
      std::vector<float> values(kSize);
      map.download(values, stream_.get());
      stream_.synchronize();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
  cudaStream_t stream() const { return stream_.get(); }

 private:
  static constexpr int64_t kSize = 5;

  void launch(size_t from, size_t to, float slope) {
    float* const x = maps_[from].data();
    float* const y = maps_[to].data();
    plan_.add("test", 0, {{x, kSize}}, {{y, kSize}},
              [=](cudaStream_t stream) { kernels::leaky_relu(stream, kSize, x, slope, y); });
  }

  cuda::Stream stream_;
  cuda::DeviceBuffer<float> maps_[6];
  LaunchPlan plan_;
};

TEST(LaunchPlan, AGraphOfRepetitionsComputesWhatTheirStreamDoes) {
  for (const emulator::Order order :
       {emulator::Order::kForward, emulator::Order::kReverse, emulator::Order::kRandom}) {
    emulator::reset();
    emulator::settings().order = order;
    Diamond diamond;
    const auto expected = diamond.result([&](cudaStream_t stream) {
      for (int i = 0; i < 3; ++i) diamond.plan().enqueue(stream);
    });
    const cuda::CapturedGraph graph = diamond.plan().repeated(3).capture(diamond.stream());
    EXPECT_EQ(graph.nodes(), 3 * diamond.plan().nodes().size());
    EXPECT_EQ(diamond.result([&](cudaStream_t stream) { graph.launch(stream); }), expected);
  }
  emulator::reset();
}

TEST(LaunchPlan, GraphsComputeWhatTheStreamDoesInEveryOrder) {
  for (const emulator::Order order :
       {emulator::Order::kForward, emulator::Order::kReverse, emulator::Order::kRandom}) {
    emulator::reset();
    emulator::settings().order = order;
    {
      Diamond diamond;
      EXPECT_EQ(diamond.plan().critical_path(), 5u);
      const auto expected =
          diamond.result([&](cudaStream_t stream) { diamond.plan().enqueue(stream); });
      const cuda::CapturedGraph graph = diamond.plan().capture(diamond.stream());
      EXPECT_EQ(graph.nodes(), diamond.plan().nodes().size());
      for (int run = 0; run < 5; ++run) {
        EXPECT_EQ(diamond.result([&](cudaStream_t stream) { graph.launch(stream); }), expected);
      }
    }
    EXPECT_EQ(emulator::leaks(), "");
  }
  emulator::reset();
}

}  // namespace
}  // namespace oddity::test
