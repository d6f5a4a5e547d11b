#include "engine/cuda/report_launches.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "engine/cuda/dry_step.h"
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

void report_step(const Architecture& architecture, int64_t images, LaunchReport& report) {
  const DryStep step(architecture, images);
  for (const LaunchNode& node : step.launches.nodes()) {
    PlannedLaunch planned = record([&] { node.launch(nullptr); });
    planned.name = node.name;
    planned.bytes_read = bytes(node.reads);
    planned.bytes_written = bytes(node.writes);
    planned.flop = node.flop;
    planned.after = node.after;
    std::sort(planned.after.begin(), planned.after.end());
    report.step.push_back(std::move(planned));
  }
  report.critical_path = step.launches.critical_path();
  // Weights with Adam's two moments, and the moving statistics.
  report.step_memory = step.memory.bytes + (3 * step.plan.parameters + step.plan.moving) *
                                               static_cast<int64_t>(sizeof(float));
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
  scorer.launch.bytes_written = scorer.images * static_cast<int64_t>(sizeof(float));
  scorer.launch.flop = scorer.images * flop;
  report.scorers.push_back(std::move(scorer));
}

void report_scorers(const Architecture& architecture, const CardLimits& card,
                    LaunchReport& report) {
  const Plan plan(architecture);
  if (const auto way = fp16_plan(card.shared)) {
    add_scorer(report,
               {.precision = Precision::fp16,
                .way = std::string(name_of(*way)),
                .launch = record([&] {
                  kernels::score_fp16(nullptr, *way, card.multiprocessors, {}, nullptr, nullptr, 0,
                                      kScorerBlockImages, nullptr);
                })},
               plan.image, kFp16ProductFlop * kFp16Products);
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
  report.images = images;
  report.scoring = scoring_rule(*make_kernel_planner());
  const Plan plan(architecture);
  report.steps_a_graph = steps_a_graph(plan, images);
  if (FusedStep::fits(plan)) report_step(architecture, images, report);
  if (takes_fused_scorer(architecture, kernels::Pixels::u8, Precision::automatic)) {
    report_scorers(architecture, card, report);
  }
  return report;
}

}  // namespace oddity::cuda
