// oddity selftest: is what this device computes right? Every operation against float64.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "engine/engine.h"
#include "engine/network_selftest.h"
#include "interrupt.h"
#include "options.h"
#include "reporters.h"

namespace oddity {
namespace {

/// The default network, and odd ones: extents that no vector, tile or warp divides.
std::vector<Architecture> architectures() {
  return {conv_autoencoder(28, 28, 1), conv_autoencoder(12, 20, 3, {3, 5}, 7),
          conv_autoencoder(8, 24, 1, {33, 1, 17}, 65), conv_autoencoder(2, 2, 5, {1}, 1)};
}

std::string describe(const Architecture& architecture) {
  return fmt::format("{}, filters {}, latent {}", to_string(architecture.image()),
                     fmt::join(architecture.filters, " "), architecture.latent_dim);
}

/// NaN is not within any tolerance.
bool passed(const SelfTestResult& result) { return result.error <= result.tolerance; }

struct Block {
  Architecture architecture;
  std::vector<SelfTestResult> results;
};

void print_table(const Console& console, const Block& block) {
  size_t operation = 0;
  size_t computed_by = std::string("computed by").size();
  for (const SelfTestResult& result : block.results) {
    operation = std::max(operation, result.operation.size());
    computed_by = std::max(computed_by, result.computed_by.size());
  }
  const std::string title = describe(block.architecture);
  operation = std::max(operation, title.size());
  console.result(fmt::format("{:{}}  {:{}}  {:>9}  {:>9}  {:>12}", title, operation, "computed by",
                             computed_by, "error", "tolerance", "microseconds"));
  for (const SelfTestResult& result : block.results) {
    console.result(fmt::format("{:{}}  {:{}}  {:>9.2g}  {:>9.2g}  {:>12.1f}  {}", result.operation,
                               operation, result.computed_by, computed_by, result.error,
                               result.tolerance, result.microseconds,
                               passed(result) ? "ok" : "FAILED"));
  }
}

void print_json(const Console& console, const DeviceInfo& device, const std::vector<Block>& blocks,
                bool all_passed) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Block& block : blocks) {
    for (const SelfTestResult& result : block.results) {
      rows.push_back({{"architecture", describe(block.architecture)},
                      {"operation", result.operation},
                      {"computed_by", result.computed_by},
                      {"error", result.error},
                      {"tolerance", result.tolerance},
                      {"microseconds", result.microseconds},
                      {"passed", passed(result)}});
    }
  }
  const nlohmann::ordered_json json = {
      {"version", ODDITY_VERSION},
      {"device", {{"name", device.name}, {"details", device.details}}},
      {"passed", all_passed},
      {"results", rows}};
  console.result(json.dump(2));
}

class SelfTest final : public Command {
 public:
  explicit SelfTest(CLI::App& program)
      : Command(program, "selftest", "Compare everything a device computes with float64") {
    add_device_options(app(), compute_);
    app().add_flag("--json", json_, "Print the result as JSON")->group("Output");
    app().footer(
        "Errors are of the largest number of a result. Exit code 1 where one is above its "
        "tolerance.\n"
        "Examples:\n"
        "  oddity selftest\n"
        "  oddity selftest --device cuda:1 --precision fp32 --json");
  }

  ExitCode run(const Console& console) override {
    // A device that fails is what this command is to find: nothing takes its place.
    const auto engine = make_engine(compute_.device, engine_options(compute_));
    print_device(console, *engine);
    std::vector<Block> blocks;
    size_t count = 0;
    size_t failed = 0;
    for (const Architecture& architecture : architectures()) {
      throw_if_interrupted();
      Block block{architecture, engine->selftest(architecture)};
      for (SelfTestResult& result : selftest_network(*engine, architecture)) {
        block.results.push_back(std::move(result));
      }
      count += block.results.size();
      failed += static_cast<size_t>(
          std::count_if(block.results.begin(), block.results.end(),
                        [](const SelfTestResult& result) { return !passed(result); }));
      if (!json_) print_table(console, block);
      blocks.push_back(std::move(block));
    }
    if (json_) {
      print_json(console, engine->info(), blocks, failed == 0);
    } else {
      console.result(failed == 0 ? fmt::format("{} operations, all within their tolerance", count)
                                 : fmt::format("{} of {} operations FAILED", failed, count));
    }
    return failed == 0 ? kSuccess : kFailure;
  }

 private:
  ComputeOptions compute_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_selftest(CLI::App& program) {
  return std::make_unique<SelfTest>(program);
}

}  // namespace oddity
