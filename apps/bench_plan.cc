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

void print_step(const Console& console, const LaunchReport& report, const StepEstimate& estimate) {
  console.result(fmt::format(
      "{:>2}  {:<30} {:<28} {:>9} {:>7} {:>7} {:>11} {:>11} {:>12} {:>6}  {}", "", "training step",
      "kernel", "grid", "block", "shared", "bytes read", "written", "FLOP", "us", "after"));
  for (size_t i = 0; i < report.step.size(); ++i) {
    const PlannedLaunch& launch = report.step[i];
    std::vector<size_t> after = launch.after;
    for (size_t& before : after) ++before;  // counted from 1, as the lines are
    console.result(
        fmt::format("{:>2}  {:<30} {:<28} {:>9} {:>7} {:>7} {:>11} {:>11} {:>12} {:>6.1f}  {}",
                    i + 1, launch.name, launch.kernel, extents(launch.grid), extents(launch.block),
                    with_thousands(static_cast<int64_t>(launch.shared)),
                    with_thousands(launch.bytes_read), with_thousands(launch.bytes_written),
                    with_thousands(launch.flop), estimate.launches[i] * 1e6,
                    after.empty() ? "-" : fmt::format("{}", fmt::join(after, " "))));
  }
  const Totals sums = totals(report.step);
  console.result(fmt::format(
      "{} nodes, {} on the longest chain; {} bytes read, {} written, {} FLOP; working set {} bytes",
      report.step.size(), report.critical_path, with_thousands(sums.read),
      with_thousands(sums.written), with_thousands(sums.flop), with_thousands(report.step_memory)));
}

/// How many times the host launches.
std::string graphs(int64_t steps) {
  if (steps == 1) return "each step is a graph, launched by itself";
  return fmt::format("{} steps a graph, launched at once; what is left of an epoch step by step",
                     steps);
}

/// What the estimate is made of, and what was assumed for it.
std::string basis(const LaunchReport& report, const Card& card) {
  const bool cached = bandwidth(card, report.step_memory) > card.memory;
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

void print_text(const Console& console, const Architecture& architecture,
                const LaunchReport& report, const Card& card) {
  console.result(fmt::format("network: {}, filters {}, latent {}; {} a step",
                             to_string(architecture.image()), fmt::join(architecture.filters, " "),
                             architecture.latent_dim,
                             counted(static_cast<uint64_t>(report.images), "image")));
  const StepEstimate estimate = estimate_step(report, card);
  if (report.step.empty()) {
    console.result(fmt::format("training step: {}", kLayerByLayer));
  } else {
    print_step(console, report, estimate);
  }
  console.result(graphs(report.steps_a_graph));
  for (const PlannedScorer& scorer : report.scorers) {
    const PlannedLaunch& launch = scorer.launch;
    console.result(fmt::format(
        "scoring in {}: one kernel, {}, grid {}, block {}, shared {}; an image: {} bytes of device "
        "memory, {} FLOP",
        precision_and_way(scorer), launch.kernel, extents(launch.grid), extents(launch.block),
        with_thousands(static_cast<int64_t>(launch.shared)), launch.bytes() / scorer.images,
        with_thousands(launch.flop / scorer.images)));
  }
  if (report.scorers.empty()) {
    console.result(fmt::format("scoring: not in one kernel ({})", report.scoring));
  }
  console.result(kCounted);
  console.result(fmt::format(
      "ESTIMATE, never measured, for {}: {:.1f} TFLOP/s fp32, {:.1f} fp16 on tensor cores, {:.0f} "
      "GB/s, {} multiprocessors ({})",
      card.title, card.fp32 / 1e12, card.tensor / 1e12, card.memory / 1e9,
      card.limits.multiprocessors, card.source));
  if (!report.step.empty()) {
    console.result(basis(report, card));
    console.result(fmt::format(
        "  a step takes {:.1f} us at least (longest chain {:.1f}, all work at full peaks {:.1f}): "
        "{} steps/s at most",
        estimate.seconds() * 1e6, estimate.chain * 1e6, estimate.work * 1e6,
        with_thousands(std::llround(1 / estimate.seconds()))));
  }
  for (const PlannedScorer& scorer : report.scorers) {
    console.result(fmt::format("  scoring in {}: {} images/s at most", precision_and_way(scorer),
                               with_thousands(std::llround(most_images_per_second(scorer, card)))));
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

Json describe_step(const LaunchReport& report, const StepEstimate& estimate) {
  Json nodes = Json::array();
  for (size_t i = 0; i < report.step.size(); ++i) {
    Json node = describe(report.step[i]);
    node["after"] = report.step[i].after;  // counted from 0, as they stand here
    node["estimated_microseconds"] = estimate.launches[i] * 1e6;
    nodes.push_back(std::move(node));
  }
  const Totals sums = totals(report.step);
  return {{"images", report.images},
          {"nodes", nodes},
          {"critical_path", report.critical_path},
          {"steps_a_graph", report.steps_a_graph},
          {"bytes_read", sums.read},
          {"bytes_written", sums.written},
          {"flop", sums.flop},
          {"working_set_bytes", report.step_memory}};
}

Json describe(const Architecture& architecture, const LaunchReport& report, const Card& card) {
  const StepEstimate estimate = estimate_step(report, card);
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
  if (!report.step.empty()) {
    estimated["step_bytes_per_second"] = bandwidth(card, report.step_memory);  // L2's are assumed
    estimated["chain_microseconds"] = estimate.chain * 1e6;
    estimated["work_microseconds"] = estimate.work * 1e6;
    estimated["step_microseconds"] = estimate.seconds() * 1e6;
    estimated["steps_per_second_at_most"] = 1 / estimate.seconds();
  }
  return {{"image", {architecture.height, architecture.width, architecture.depth}},
          {"filters", architecture.filters},
          {"latent_dim", architecture.latent_dim},
          {"training_step", report.step.empty() ? Json() : describe_step(report, estimate)},
          {"scoring", report.scoring},
          {"scorers", scorers},
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
