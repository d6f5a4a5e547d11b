// oddity info: version, build, libraries, processor and devices.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "command.h"
#include "core/error.h"
#include "core/text.h"
#include "engine/engine.h"
#include "engine/load_cuda.h"
#include "machine.h"

namespace oddity {
namespace {

using Json = nlohmann::ordered_json;

/// A row of a device; of one that cannot be used, with the reason.
Json describe_device(const std::string& name, const std::string& why_not) {
  const auto unavailable = [&](const std::string& why) -> Json {
    return {{"name", name}, {"available", false}, {"why", why}};
  };
  if (!why_not.empty()) return unavailable(why_not);
  try {
    const DeviceInfo info = make_engine(name)->info();
    Json row = {{"name", info.name}, {"available", true}, {"details", info.details}};
    if (!info.scoring.empty()) row["scoring"] = info.scoring;
    return row;
  } catch (const DeviceError& error) {
    return unavailable(error.what());
  }
}

/// The CPU and every CUDA device; where there is none of those, one row that says why.
Json devices() {
  Json rows = Json::array({describe_device("cpu", "")});
  const std::string why_not = why_no_cuda(0);
  if (!why_not.empty()) rows.push_back(describe_device("cuda", why_not));
  for (int ordinal = 0; why_no_cuda(ordinal).empty(); ++ordinal) {
    rows.push_back(describe_device(fmt::format("cuda:{}", ordinal), ""));
  }
  return rows;
}

Json describe() {
  const Build made = build();
  const Cpu processor = cpu();
  Json versions = Json::object();
  for (const auto& [name, version] : libraries()) versions[name] = version;
  return {{"version", ODDITY_VERSION},
          {"build",
           {{"compiler", made.compiler},
            {"type", made.type},
            {"flags", made.flags},
            {"architecture", made.architecture}}},
          {"libraries", versions},
          {"cuda", cuda_libraries()},
          {"cpu",
           {{"name", processor.name},
            {"features", processor.features},
            {"threads", processor.threads},
            {"available_threads", processor.available},
            {"cgroup_quota", processor.quota ? Json(*processor.quota) : Json()}}},
          {"devices", devices()}};
}

void print(const Console& console, const Json& json) {
  const auto row = [&](std::string_view name, std::string_view value) {
    console.result(fmt::format("{:<12} {}", name, value));
  };
  const auto text = [](const Json& value) { return value.get<std::string>(); };
  console.result("oddity " + text(json["version"]));
  const Json& made = json["build"];
  row("build", fmt::format("{}, {}, {}, {}", text(made["compiler"]), text(made["type"]),
                           text(made["flags"]), text(made["architecture"])));
  std::string versions;
  for (const auto& [name, version] : json["libraries"].items()) {
    versions += fmt::format("{}{} {}", versions.empty() ? "" : ", ", name, text(version));
  }
  row("libraries", versions);
  if (const std::string cuda = text(json["cuda"]); !cuda.empty()) row("cuda", cuda);
  const Json& processor = json["cpu"];
  row("processor",
      fmt::format("{}, {}", text(processor["name"]),
                  fmt::join(processor["features"].get<std::vector<std::string>>(), " ")));
  const Json& quota = processor["cgroup_quota"];
  row("threads",
      fmt::format("{} for this process, {} in the machine, cgroup limit {}",
                  processor["available_threads"].get<int>(), processor["threads"].get<int>(),
                  quota.is_null() ? "none" : shortest(quota.get<double>())));
  for (const Json& device : json["devices"]) {
    row("device",
        device["available"].get<bool>()
            ? fmt::format("{} ({})", text(device["name"]), text(device["details"]))
            : fmt::format("{} not available: {}", text(device["name"]), text(device["why"])));
    if (device.contains("scoring")) row("scoring", text(device["scoring"]));
  }
}

class Info final : public Command {
 public:
  explicit Info(CLI::App& program)
      : Command(program, "info", "Print version, build, libraries and devices") {
    app().add_flag("--json", json_, "Print as JSON");
  }

  ExitCode run(const Console& console) override {
    const Json json = describe();
    if (json_) {
      console.result(json.dump(2));
    } else {
      print(console, json);
    }
    return kSuccess;
  }

 private:
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_info(CLI::App& program) { return std::make_unique<Info>(program); }

}  // namespace oddity
