#include "bench_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "core/text.h"
#include "engine/launch_estimate.h"
#include "engine/load_cuda.h"

namespace oddity {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kLayerByLayer = "layer by layer: some map has too many channels";
constexpr const char* kCounted =
    "FLOP: two a multiply-add of convolutions and dense layers, of the fp16 scorer with the "
    "padding "
    "of its tiles; elementwise work is not counted. Bytes: each number once a launch";

/// Without the extents at the end that are 1: "32x7".
std::string extents(const std::array<int64_t, 3>& all) {
  auto end = all.end();
  while (end - 1 != all.begin() && *(end - 1) == 1) --end;
  return fmt::format("{}", fmt::join(all.begin(), end, "x"));
}

struct Totals {
  int64_t read = 0;
  int64_t written = 0;
  int64_t flop = 0;
};
Totals totals(const std::vector<PlannedLaunch>& launches) {
  Totals sums;
  for (const PlannedLaunch& launch : launches) {
    sums.read += launch.bytes_read;
    sums.written += launch.bytes_written;
    sums.flop += launch.flop;
  }
  return sums;
}

void print_launches(const Console& console, const char* title, const PlannedLaunches& planned,
                    const LaunchEstimate& estimated) {
  console.result(fmt::format(
      "{:>2}  {:<30} {:<28} {:>9} {:>7} {:>7} {:>11} {:>11} {:>12} {:>6}  {}", "", title, "kernel",
      "grid", "block", "shared", "bytes read", "written", "FLOP", "us", "after"));
  for (size_t i = 0; i < planned.launches.size(); ++i) {
    const PlannedLaunch& launch = planned.launches[i];
    std::vector<size_t> after = launch.after;
    for (size_t& before : after) ++before;  // counted from 1, as the lines are
    console.result(
        fmt::format("{:>2}  {:<30} {:<28} {:>9} {:>7} {:>7} {:>11} {:>11} {:>12} {:>6.1f}  {}",
                    i + 1, launch.name, launch.kernel, extents(launch.grid), extents(launch.block),
                    with_thousands(static_cast<int64_t>(launch.shared)),
                    with_thousands(launch.bytes_read), with_thousands(launch.bytes_written),
                    with_thousands(launch.flop), estimated.launches[i] * 1e6,
                    after.empty() ? "-" : fmt::format("{}", fmt::join(after, " "))));
  }
  const Totals sums = totals(planned.launches);
  console.result(fmt::format(
      "{} nodes, {} on the longest chain; {} bytes read, {} written, {} FLOP; working set {} bytes",
      planned.launches.size(), planned.critical_path, with_thousands(sums.read),
      with_thousands(sums.written), with_thousands(sums.flop), with_thousands(planned.memory)));
}

/// How many times the host launches.
std::string graphs(int64_t steps) {
  if (steps == 1) return "each step is a graph, launched by itself";
  return fmt::format("{} steps a graph, launched at once; what is left of an epoch step by step",
                     steps);
}

std::string seconds_of(const char* what, const LaunchEstimate& estimated) {
  return fmt::format(
      "  {} takes {:.1f} us at least (longest chain {:.1f}, all work at full peaks {:.1f})", what,
      estimated.seconds() * 1e6, estimated.chain * 1e6, estimated.work * 1e6);
}

double images_per_second(const PlannedLaunches& planned, const LaunchEstimate& estimated) {
  return static_cast<double>(planned.images) / estimated.seconds();
}

/// What the estimate is made of, and what was assumed for it.
std::string basis(const PlannedLaunches& planned, const Card& card) {
  const bool cached = bandwidth(card, planned.memory) > card.memory;
  return fmt::format(
      "  a launch takes the longest of {:.0f} us (assumed), its FLOP at the fp32 peak of the "
      "multiprocessors that have a block, its bytes at {}",
      kLaunchSeconds * 1e6,
      cached ? fmt::format("{:.0f} times the bandwidth of device memory (assumed: the working set "
                           "fits into {} MiB of L2)",
                           kL2Bandwidth, card.l2 >> 20)
             : "the bandwidth of device memory");
}

std::string precision_and_way(const PlannedScorer& scorer) {
  return fmt::format("{}{}", name_of(scorer.precision),
                     scorer.way.empty() ? "" : ", " + scorer.way);
}

void print_scorer(const Console& console, const PlannedScorer& scorer) {
  const PlannedLaunch& launch = scorer.launch;
  console.result(fmt::format(
      "scoring in {}: one kernel, {}, grid {}, block {}, shared {}; an image: {} bytes of device "
      "memory, {} FLOP",
      precision_and_way(scorer), launch.kernel, extents(launch.grid), extents(launch.block),
      with_thousands(static_cast<int64_t>(launch.shared)), launch.bytes() / scorer.images,
      with_thousands(launch.flop / scorer.images)));
}

void print_text(const Console& console, const Architecture& architecture,
                const LaunchReport& report, const Card& card) {
  console.result(fmt::format("network: {}, filters {}, latent {}; {} a step",
                             to_string(architecture.image()), fmt::join(architecture.filters, " "),
                             architecture.latent_dim,
                             counted(static_cast<uint64_t>(report.step.images), "image")));
  const LaunchEstimate step = estimate(report.step, card);
  const LaunchEstimate scores = estimate(report.scores, card);
  const bool has_step = !report.step.launches.empty();
  const bool has_scores = !report.scores.launches.empty();
  if (has_step) {
    print_launches(console, "training step", report.step, step);
  } else {
    console.result(fmt::format("training step: {}", kLayerByLayer));
  }
  console.result(graphs(report.steps_a_graph));
  for (const PlannedScorer& scorer : report.scorers) print_scorer(console, scorer);
  if (report.scorers.empty()) {
    console.result(fmt::format("scoring: not in one kernel ({})", report.scoring));
  }
  if (has_scores) {
    const std::string title =
        fmt::format("scores of {}", counted(static_cast<uint64_t>(report.scores.images), "image"));
    print_launches(console, title.c_str(), report.scores, scores);
  }
  console.result(kCounted);
  console.result(fmt::format(
      "ESTIMATE, never measured, for {}: {:.1f} TFLOP/s fp32, {:.1f} fp16 on tensor cores, {:.0f} "
      "GB/s, {} multiprocessors ({})",
      card.title, card.fp32 / 1e12, card.tensor / 1e12, card.memory / 1e9,
      card.limits.multiprocessors, card.source));
  if (has_step) {
    console.result(basis(report.step, card));
    console.result(fmt::format("{}: {} steps/s at most", seconds_of("a step", step),
                               with_thousands(std::llround(1 / step.seconds()))));
  }
  for (const PlannedScorer& scorer : report.scorers) {
    console.result(fmt::format("  scoring in {}: {} images/s at most", precision_and_way(scorer),
                               with_thousands(std::llround(most_images_per_second(scorer, card)))));
  }
  if (has_scores) {
    const std::string of_scores = basis(report.scores, card);
    if (!has_step || of_scores != basis(report.step, card)) console.result(of_scores);
    console.result(
        fmt::format("{}: {} images/s at most", seconds_of("scoring that many", scores),
                    with_thousands(std::llround(images_per_second(report.scores, scores)))));
  }
}

Json describe(const PlannedLaunch& launch) {
  return {{"name", launch.name},
          {"kernel", launch.kernel},
          {"grid", launch.grid},
          {"block", launch.block},
          {"shared_bytes", launch.shared},
          {"bytes_read", launch.bytes_read},
          {"bytes_written", launch.bytes_written},
          {"flop", launch.flop}};
}

/// Null where there are none.
Json describe(const PlannedLaunches& planned, const LaunchEstimate& estimated) {
  if (planned.launches.empty()) return {};
  Json nodes = Json::array();
  for (size_t i = 0; i < planned.launches.size(); ++i) {
    Json node = describe(planned.launches[i]);
    node["after"] = planned.launches[i].after;  // counted from 0, as they stand here
    node["estimated_microseconds"] = estimated.launches[i] * 1e6;
    nodes.push_back(std::move(node));
  }
  const Totals sums = totals(planned.launches);
  return {{"images", planned.images},
          {"nodes", nodes},
          {"critical_path", planned.critical_path},
          {"bytes_read", sums.read},
          {"bytes_written", sums.written},
          {"flop", sums.flop},
          {"working_set_bytes", planned.memory}};
}

Json describe(const Architecture& architecture, const LaunchReport& report, const Card& card) {
  const LaunchEstimate step = estimate(report.step, card);
  const LaunchEstimate scores = estimate(report.scores, card);
  Json scorers = Json::array();
  for (const PlannedScorer& scorer : report.scorers) {
    scorers.push_back(
        {{"precision", name_of(scorer.precision)},
         {"plan", scorer.way.empty() ? Json() : Json(scorer.way)},
         {"images", scorer.images},
         {"launch", describe(scorer.launch)},
         {"estimated_images_per_second_at_most", most_images_per_second(scorer, card)}});
  }
  Json estimated = {{"measured", false},
                    {"card", card.name},
                    {"source", card.source},
                    {"fp32_flop_per_second", card.fp32},
                    {"tensor_flop_per_second", card.tensor},
                    {"memory_bytes_per_second", card.memory},
                    {"assumed_launch_microseconds", kLaunchSeconds * 1e6}};
  if (!report.step.launches.empty()) {
    estimated["step_bytes_per_second"] = bandwidth(card, report.step.memory);  // L2's are assumed
    estimated["chain_microseconds"] = step.chain * 1e6;
    estimated["work_microseconds"] = step.work * 1e6;
    estimated["step_microseconds"] = step.seconds() * 1e6;
    estimated["steps_per_second_at_most"] = 1 / step.seconds();
  }
  if (!report.scores.launches.empty()) {
    estimated["scores_bytes_per_second"] = bandwidth(card, report.scores.memory);
    estimated["scores_microseconds"] = scores.seconds() * 1e6;
    estimated["images_per_second_at_most"] = images_per_second(report.scores, scores);
  }
  return {{"image", {architecture.height, architecture.width, architecture.depth}},
          {"filters", architecture.filters},
          {"latent_dim", architecture.latent_dim},
          {"training_step", describe(report.step, step)},
          {"steps_a_graph", report.steps_a_graph},
          {"scoring", report.scoring},
          {"scorers", scorers},
          {"scores", describe(report.scores, scores)},
          {"estimate", estimated}};
}

}  // namespace

void print_plan(const Console& console, const Architecture& architecture, int64_t images,
                const Card& card, bool as_json) {
  const LaunchReport report = cuda_launches(architecture, images, card.limits);
  if (as_json) {
    console.result(describe(architecture, report, card).dump(2));
  } else {
    print_text(console, architecture, report, card);
  }
}

}  // namespace oddity
