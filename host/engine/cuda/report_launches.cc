#include "engine/cuda/report_launches.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "engine/cuda/cuda_engine.h"
#include "engine/cuda/dry_plans.h"
#include "engine/cuda/flop.h"
#include "engine/cuda/fused_scorer.h"
#include "engine/cuda/fused_step.h"
#include "engine/cuda/inference.h"
#include "launch_recorder.h"

namespace oddity::cuda {
namespace {

/// What `launch`, which is one, would launch.
template <typename Launch>
PlannedLaunch record(Launch&& launch) {
  const kernels::LaunchRecorder recorder;
  launch();
  if (recorder.records().size() != 1) {
    throw DeviceError("a node of the plan is {} launches, not one", recorder.records().size());
  }
  const kernels::LaunchRecord& made = recorder.records().front();
  const std::string_view file = made.file;
  PlannedLaunch planned;
  planned.kernel = fmt::format("{}:{}", file.substr(file.rfind('/') + 1), made.line);
  planned.grid = {made.grid.x, made.grid.y, made.grid.z};
  planned.block = {made.block.x, made.block.y, made.block.z};
  planned.shared = made.shared;
  return planned;
}

int64_t bytes(const std::vector<MemoryRange>& ranges) {
  int64_t sum = 0;
  for (const MemoryRange& range : ranges) sum += range.bytes();
  return sum;
}

PlannedLaunches report_plan(const LaunchPlan& plan, int64_t images, int64_t memory) {
  PlannedLaunches report{images, {}, plan.critical_path(), memory};
  for (const LaunchNode& node : plan.nodes()) {
    PlannedLaunch planned = record([&] { node.launch(nullptr); });
    planned.name = node.name;
    planned.bytes_read = bytes(node.reads);
    planned.bytes_written = bytes(node.writes);
    planned.flop = node.flop;
    planned.after = node.after;
    std::sort(planned.after.begin(), planned.after.end());
    report.launches.push_back(std::move(planned));
  }
  return report;
}

constexpr auto kFloat = static_cast<int64_t>(sizeof(float));

PlannedLaunches report_step(const Architecture& architecture, int64_t images) {
  const DryStep step(architecture, images);
  // Weights with Adam's two moments, and the moving statistics.
  const int64_t state = (3 * step.plan.parameters + step.plan.moving) * kFloat;
  return report_plan(step.launches, images, step.memory.bytes + state);
}

PlannedLaunches report_scores(const Plan& plan) {
  const int64_t images = images_a_block(plan, CudaEngineOptions().max_batch, /*others=*/0);
  const int64_t maps = 2 * images * plan.largest_map;
  return report_plan(dry_score(plan, images), images, (maps + plan.parameters) * kFloat);
}

/// The products of an image with batch normalisation folded and the decoder's dense layer and first
/// stage as one map (folded_network.h).
int64_t folded_flop(const Plan& plan) {
  int64_t flop = products_flop(kernels::DenseShape{1, plan.features, plan.latent});
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const Stage& stage = plan.stages[i];
    kernels::Conv2dShape shape = stage.convolution;
    shape.images = 1;
    flop += i == plan.encoder_stages ? products_flop(kernels::DenseShape{1, plan.latent, stage.out})
                                     : products_flop(shape);
  }
  return flop;
}

std::string_view name_of(kernels::ScorePlan plan) {
  switch (plan) {
    case kernels::ScorePlan::small:
      return "small";
    case kernels::ScorePlan::medium:
      return "medium";
    case kernels::ScorePlan::large:
      break;
  }
  return "large";
}

/// Pixels in, a float out: weights stay in the caches.
void add_scorer(LaunchReport& report, PlannedScorer scorer, int64_t image, int64_t flop) {
  scorer.images = kScorerBlockImages;
  scorer.launch.name = "score";
  scorer.launch.bytes_read = scorer.images * image;
  scorer.launch.bytes_written = scorer.images * kFloat;
  scorer.launch.flop = scorer.images * flop;
  report.scorers.push_back(std::move(scorer));
}

void report_scorers(const Plan& plan, const CardLimits& card, LaunchReport& report) {
  if (const auto way = fp16_plan(card.shared)) {
    add_scorer(report,
               {.precision = Precision::fp16,
                .way = std::string(name_of(*way)),
                .launch = record([&] {
                  kernels::score_fp16(nullptr, *way, card.multiprocessors, {}, nullptr, nullptr, 0,
                                      kScorerBlockImages, nullptr);
                })},
               plan.image, kFp16ProductFlop * kFp16ProductsOfEight / 8);
  }
  add_scorer(report, {.precision = Precision::fp32, .way = "", .launch = record([] {
                                                                 kernels::score_fp32(
                                                                     nullptr, {}, nullptr, nullptr,
                                                                     0, kScorerBlockImages,
                                                                     nullptr);
                                                               })},
             plan.image, folded_flop(plan));
}

}  // namespace

LaunchReport report_launches(const Architecture& architecture, int64_t images,
                             const CardLimits& card) {
  LaunchReport report;
  const Plan plan(architecture);
  const bool fused = FusedStep::fits(plan);
  if (fused) report.step = report_step(architecture, images);
  report.step.images = images;
  report.steps_a_graph = steps_a_graph(plan, images);
  if (takes_fused_scorer(architecture, kernels::Pixels::u8, Precision::automatic)) {
    report_scorers(plan, card, report);
  } else if (fused) {
    report.scores = report_scores(plan);
  }
  report.scoring = scoring_rule(*make_kernel_planner());
  return report;
}

}  // namespace oddity::cuda
