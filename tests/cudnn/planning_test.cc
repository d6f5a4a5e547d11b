// Every graph that the engine asks for with the default network is planned by cuDNN for devices
// that are not there, from their properties (devices/: public specifications, NVIDIA's CUDA
// programming guide). That a plan can be built says that an engine accepts the graph, not that its
// result is right: graph_test.cc.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "cudnn_test.h"
#include "engine/cuda/cudnn_plan.h"
#include "engine/cuda/plan.h"
#include "support/golden_cases.h"

namespace oddity::test {
namespace {

using cuda::Fusion;
using cuda::GraphPlan;
using cuda::GraphPlanner;
using cuda::Mode;
using cuda::OperationKind;
using cuda::OperationSpec;

std::string device_properties(int architecture) {
  std::ifstream in(fmt::format("{}/sm_{}.json", ODDITY_DEVICES_DIR, architecture));
  std::string text((std::istreambuf_iterator<char>(in)), {});
  if (text.empty()) throw std::runtime_error("no properties of that device");
  return text;
}

bool is_batch_norm(const OperationSpec& spec) {
  return spec.kind == OperationKind::batch_norm_training ||
         spec.kind == OperationKind::batch_norm_backward;
}

/// What kernels may compute, by architecture: what cuDNN 9.19 refuses. All else is cuDNN's, and all
/// epilogues are fused.
bool may_be_refused(int architecture, const OperationSpec& spec) {
  // No deterministic engine before Ampere, and none for channels that do not fill 16 bytes.
  return is_batch_norm(spec) && (architecture < 80 || spec.norm.channels % 4 != 0);
}

class CudnnPlanning : public CudnnTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    CudnnTest::SetUp();
    if (IsSkipped()) return;
    // cuDNN 9.19 keeps for a process what it found out about the first device that it is told of,
    // and then plans others as if they were that one. CTest runs every test in its own process.
    static const int first = GetParam();
    if (first != GetParam()) GTEST_SKIP() << "one architecture a process: run this test by itself";
  }

  void expect_plans(const Architecture& architecture, int64_t images, Mode mode) {
    GraphPlanner planner(library_, device_properties(GetParam()));
    for (const OperationSpec& spec : operation_specs(cuda::Plan(architecture), images, mode)) {
      if (!cuda::is_cudnn_kind(spec.kind)) continue;
      SCOPED_TRACE(to_string(spec));
      const std::optional<GraphPlan> plan = planner.plan(spec);
      if (!plan) {
        EXPECT_TRUE(may_be_refused(GetParam(), spec)) << planner.last_refusal();
        fmt::print("sm_{} {}: kernels ({})\n", GetParam(), to_string(spec), planner.last_refusal());
        continue;
      }
      EXPECT_EQ(plan->fusion, Fusion::fused);
      for (const auto note :
           {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
            CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION}) {
        EXPECT_EQ(std::count(plan->notes.begin(), plan->notes.end(), note), 0) << "note " << note;
      }
      EXPECT_GE(plan->workspace_bytes, 0);
      EXPECT_LE(plan->workspace_bytes, cuda::kLargestPlanWorkspace);
      fmt::print("sm_{} {}: engine {}, {} bytes\n", GetParam(), to_string(spec), plan->engine,
                 plan->workspace_bytes);
    }
  }
};

// Shapes decide which engines accept a graph. Networks besides the default one are planned for one
// architecture: planning takes half a second an operation where kernels are compiled for it.
class CudnnPlanningOfOtherBatches : public CudnnPlanning {};
class CudnnPlanningOfOtherNetworks : public CudnnPlanning {};

TEST_P(CudnnPlanning, EveryOperationOfATrainingStep) {
  expect_plans(mnist_architecture(), 32, Mode::training);
}

TEST_P(CudnnPlanningOfOtherBatches, LastOfAnEpoch) {
  expect_plans(mnist_architecture(), 7, Mode::training);
}

TEST_P(CudnnPlanningOfOtherBatches, BlockOfInference) {
  expect_plans(mnist_architecture(), 256, Mode::inference);
}

TEST_P(CudnnPlanningOfOtherNetworks, ColourAndOddNumbersOfFilters) {
  expect_plans(conv_autoencoder(12, 8, 3, {5, 12}, 3), 9, Mode::training);
}

std::string name_of(const testing::TestParamInfo<int>& info) {
  return fmt::format("sm_{}", info.param);
}
INSTANTIATE_TEST_SUITE_P(, CudnnPlanning, testing::Values(75, 80, 86, 89, 90, 100, 120), name_of);
INSTANTIATE_TEST_SUITE_P(, CudnnPlanningOfOtherBatches,
                         testing::Values(75, 80, 86, 89, 90, 100, 120), name_of);
INSTANTIATE_TEST_SUITE_P(, CudnnPlanningOfOtherNetworks, testing::Values(80), name_of);

}  // namespace
}  // namespace oddity::test
