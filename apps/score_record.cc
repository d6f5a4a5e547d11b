#include "score_record.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cmath>
#include <system_error>

#include "command_line.h"
#include "core/error.h"
#include "core/system_calls.h"
#include "core/text.h"
#include "files/atomic_file.h"
#include "images/image_source.h"

namespace oddity {
namespace {

using Json = nlohmann::ordered_json;

/// A file is known by its size and time, a folder by its name: its files pass by one after the
/// other, and are looked at then.
Json describe_input(const std::filesystem::path& path) {
  Json input = {{"path", printable(path)}};
  struct stat status {};
  if (path == kStandardInput || ::stat(path.c_str(), &status) != 0) return input;
  if (!S_ISREG(status.st_mode)) return input;
  input["bytes"] = status.st_size;
  input["modified"] = changed_at(status);
  return input;
}

double rounded(double seconds) { return std::round(seconds * 1e3) / 1e3; }

}  // namespace

std::filesystem::path record_path(const std::filesystem::path& output) {
  return std::filesystem::path(output) += ".run.json";
}

std::string read_record(const std::filesystem::path& path) {
  constexpr size_t kMaxRecord = size_t{16} << 20;
  return read_file(path, kMaxRecord);
}

std::string model_of_table(const std::filesystem::path& output) {
  const std::filesystem::path path = record_path(output);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return {};
  try {
    return Json::parse(read_record(path)).at("run").at("model").get<std::string>();
  } catch (const Error&) {
  } catch (const Json::exception&) {
  }
  return {};
}

std::string run_identity(const ModelFile& model, const std::vector<std::filesystem::path>& images,
                         const Preprocessing& preprocessing, const DeviceInfo& device,
                         const ScoreRule& rule, const ExactScores& exact) {
  Json inputs = Json::array();
  for (const std::filesystem::path& path : images) inputs.push_back(describe_input(path));
  Json identity = {
      {"version", ODDITY_VERSION},
      {"model", hash_of(model.weights)},
      {"preprocessing", describe(preprocessing)},
      {"device", device.name.substr(0, device.name.find(':'))},
      {"precision", name_of(device.precision)},
      {"scores", name_of(device.scores)},
      {"score_rule", name_of(rule.kind)},
      {"images", inputs},
  };
  if (rule.kind == ScoreKind::robust) identity["variation_floor"] = rule.variation_floor;
  if (device.scores == Precision::automatic && exact.from == ExactScores::From::threshold) {
    identity["exact_from"] = exact.threshold;
  }
  return identity.dump();
}

void check_identity(const std::string& before, const std::string& now,
                    const std::filesystem::path& file) {
  if (before == now) return;
  const Json old = Json::parse(before, nullptr, false);
  const Json current = Json::parse(now);
  if (old.is_object()) {
    for (const auto& [key, value] : current.items()) {
      const Json was = old.value(key, Json());
      if (was == value) continue;
      throw Error("{} is of another run: {} was {}, now it is {}: start anew with --force",
                  printable(file), key, printable(std::string_view(was.dump())), value.dump());
    }
  }
  throw Error("{} is of another run: start anew with --force", printable(file));
}

void check_threshold(const nlohmann::ordered_json& record, const Threshold& now,
                     const std::filesystem::path& file) {
  const Json parameter = std::isnan(now.parameter) ? Json() : Json(now.parameter);
  const std::string before = record.value("threshold_origin", "");
  const Json parameter_before = record.value("threshold_parameter", Json());
  const Json value_before = record.value("threshold", Json());
  const bool same = before == name_of(now.origin) && parameter_before == parameter &&
                    (now.of_this_run() || value_before == Json(now.value));
  if (same) return;
  const auto text = [](bool of_this_run, const Json& asked, const Json& value) {
    const Json& number = of_this_run ? asked : value;
    return number.is_number() ? concise(number.get<double>()) : number.dump();
  };
  throw Error(
      "{} is of another run: the threshold was {} ({}), now it is {} ({}): start anew with --force",
      printable(file), text(before.ends_with("of this run"), parameter_before, value_before),
      printable(std::string_view(before)), text(now.of_this_run(), parameter, now.value),
      name_of(now.origin));
}

nlohmann::ordered_json score_record(const std::string& identity, const DeviceInfo& device,
                                    const ScoreSummary& summary, const ScoreProgress& progress,
                                    double seconds) {
  Json statuses = Json::object();
  for (size_t i = 0; i < summary.statuses.size(); ++i) {
    if (summary.statuses[i] == 0) continue;
    statuses[std::string(name_of(static_cast<ImageStatus>(i)))] = summary.statuses[i];
  }
  Json record = {
      {"command", command_line()},
      {"run", Json::parse(identity)},
      {"device", {{"name", device.name}, {"details", device.details}}},
      {"images", summary.images},
      {"statuses", statuses},
      {"left_out", progress.left_out},
      {"threshold", nullptr},
      {"threshold_origin", name_of(summary.threshold.origin)},
      {"threshold_parameter", nullptr},
      {"outliers", summary.outliers},
      {"resumed_after", progress.rows - progress.new_rows},
      {"seconds",
       {{"all", rounded(seconds)},
        {"list", rounded(progress.stages.list)},
        {"read", rounded(progress.stages.read)},
        {"decode", rounded(progress.stages.decode)},
        {"preprocess", rounded(progress.stages.preprocess)},
        {"score", rounded(progress.score)},
        {"write", rounded(progress.write)}}},
  };
  if (std::isfinite(summary.threshold.value)) record["threshold"] = summary.threshold.value;
  if (std::isfinite(summary.threshold.parameter)) {
    record["threshold_parameter"] = summary.threshold.parameter;
  }
  return record;
}

}  // namespace oddity
