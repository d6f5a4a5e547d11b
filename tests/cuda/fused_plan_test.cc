// The launches of a fused training step, looked at without a device.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "engine/cuda/dry_plans.h"
#include "engine/cuda/fused_step.h"
#include "engine/engine_test.h"
#include "launch_recorder.h"

namespace oddity::test {
namespace {

/// Beside at most 21 KiB of static shared memory, what any device gives without being asked.
constexpr size_t kMostShared = 27 << 10;

using cuda::DryStep;

TEST(FusedPlan, OfTheDefaultNetwork) {
  const DryStep step(conv_autoencoder(28, 28, 1), 32);
  kernels::LaunchRecorder recorder;
  for (const cuda::LaunchNode& node : step.launches.nodes()) {
    const size_t before = recorder.records().size();
    node.launch(nullptr);
    ASSERT_EQ(recorder.records().size(), before + 1) << node.name;
    const kernels::LaunchRecord& launch = recorder.records().back();
    std::printf("%-32s grid %4u,%3u,%2u block %3u shared %6zu after", node.name.c_str(),
                launch.grid.x, launch.grid.y, launch.grid.z, launch.block.x, launch.shared);
    for (const size_t other : node.after) {
      std::printf(" '%s'", step.launches.nodes()[other].name.c_str());
    }
    std::printf("\n");
    EXPECT_LE(launch.shared, kMostShared) << node.name;
  }
  // A launch costs microseconds, and so does each on the longest chain: more than now is a
  // decision.
  EXPECT_LE(step.launches.nodes().size(), 20u);
  EXPECT_LE(step.launches.critical_path(), 15u);
  // The gradients of the weights are beside the chain: nobody but the update waits for them.
  const size_t update = step.launches.nodes().size() - 1;
  EXPECT_EQ(step.launches.nodes()[update].after.size(), 5u + 1u);
}

TEST(FusedPlan, OfSeveralStepsEachBeginsBehindTheUpdateBeforeIt) {
  for (const double trim : {0.0, 0.06}) {
    const DryStep step(conv_autoencoder(28, 28, 1), 32, trim);
    const auto& one = step.launches.nodes();
    const cuda::LaunchPlan several = step.launches.repeated(3);
    ASSERT_EQ(several.nodes().size(), 3 * one.size());
    for (size_t i = 0; i < several.nodes().size(); ++i) {
      const size_t begin = i / one.size() * one.size();
      std::vector<size_t> after;
      for (const size_t before : one[i - begin].after) after.push_back(begin + before);
      // Of its own step, as alone; but the first is behind the one before's update, and so are all.
      if (i == begin && begin > 0) after = {begin - 1};
      EXPECT_EQ(several.nodes()[i].after, after) << several.nodes()[i].name;
    }
    EXPECT_EQ(several.critical_path(), 3 * step.launches.critical_path());
  }
}

TEST(FusedPlan, TheUpdateMovesEveryNumberOnce) {
  for (const Architecture& architecture :
       {conv_autoencoder(28, 28, 1), conv_autoencoder(12, 20, 3, {3, 5}, 7),
        conv_autoencoder(2, 2, 1, {1}, 1)}) {
    const DryStep step(architecture, 5);
    std::set<int64_t> parameters;
    std::set<int64_t> moving;
    for (const kernels::UpdatePart& part : cuda::fused_updates(step.plan, step.memory)) {
      const bool is_moving = part.update.kind == kernels::UpdateKind::moving;
      // What a block takes is the kernel's business; that all of an update is taken, its test's.
      if (part.first > 0) continue;
      for (int64_t i = 0; i < part.update.count; ++i) {
        auto& moved = is_moving ? moving : parameters;
        EXPECT_TRUE(moved.insert(part.update.target + i).second);
      }
    }
    for (const cuda::Placement& placement : step.plan.placements) {
      const auto& moved = placement.trainable ? parameters : moving;
      EXPECT_TRUE(moved.contains(placement.offset)) << placement.name;
    }
    size_t numbers = 0;
    for (const TensorSpec& spec : tensor_specs(architecture)) {
      numbers += static_cast<size_t>(spec.size());
    }
    EXPECT_EQ(parameters.size() + moving.size(), numbers);
  }
}

TEST(FusedPlan, TrimmingTakesANodeMore) {
  const Architecture architecture = conv_autoencoder(28, 28, 1);
  const DryStep plain(architecture, 32);
  const DryStep trimmed(architecture, 32, 0.06);
  const auto& nodes = trimmed.launches.nodes();
  ASSERT_EQ(nodes.size(), plain.launches.nodes().size() + 1);
  EXPECT_EQ(trimmed.launches.critical_path(), plain.launches.critical_path() + 1);
  // Behind the loss, and before everybody who reads its gradient.
  const auto trim = std::find_if(nodes.begin(), nodes.end(),
                                 [](const cuda::LaunchNode& node) { return node.name == "trim"; });
  ASSERT_NE(trim, nodes.end());
  const auto index = static_cast<size_t>(trim - nodes.begin());
  EXPECT_EQ(trim->after, std::vector<size_t>{index - 1});
  const std::string& last = trimmed.plan.stages.back().name;
  size_t readers = 0;
  for (const cuda::LaunchNode& node : nodes) {
    if (node.name != last + " data gradient" && node.name != last + " weight gradient") continue;
    ++readers;
    EXPECT_EQ(node.after, std::vector<size_t>{index}) << node.name;
  }
  EXPECT_EQ(readers, 2u);
}

TEST(FusedPlan, AnyDepthAndBatch) {
  for (const Architecture& architecture :
       {conv_autoencoder(2, 2, 1, {1}, 1), conv_autoencoder(32, 64, 5, {3, 6, 130}, 70)}) {
    for (const int64_t images : {1, 7, 500}) {
      const DryStep step(architecture, images);
      const kernels::LaunchRecorder recorder;
      step.launches.enqueue(nullptr);
      EXPECT_EQ(recorder.records().size(), step.launches.nodes().size());
      const size_t stages = step.plan.stages.size();
      EXPECT_EQ(step.launches.nodes().size(), 3 * stages - 1 + 2 + 3 + 1);
    }
  }
}

TEST(FusedPlan, MapsOfAnyChannelsThatFitHaveTheirSharedMemory) {
  const Architecture widest = conv_autoencoder(4, 4, 1, {kernels::kMostStageChannels}, 2);
  ASSERT_TRUE(cuda::FusedStep::fits(cuda::Plan(widest)));
  const DryStep step(widest, 3);
  const kernels::LaunchRecorder recorder;
  step.launches.enqueue(nullptr);
  for (const kernels::LaunchRecord& launch : recorder.records()) {
    EXPECT_LE(launch.shared, kMostShared);
  }
  const Architecture wider = conv_autoencoder(4, 4, 1, {kernels::kMostStageChannels + 1}, 2);
  EXPECT_FALSE(cuda::FusedStep::fits(cuda::Plan(wider)));
}

}  // namespace
}  // namespace oddity::test
