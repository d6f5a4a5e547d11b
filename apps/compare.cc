// oddity compare: whether the scores of one run are distributed as those of another.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command.h"
#include "core/error.h"
#include "core/text.h"
#include "data/byte_source.h"
#include "detect/drift.h"
#include "detect/quantile.h"
#include "detect/score_reader.h"
#include "files/hdf5_reader.h"
#include "files/model_file.h"
#include "options.h"
#include "paths.h"
#include "score_record.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kQuantiles[] = {0.5, 0.99, 0.999};

struct ScoreSet {
  bool is_model = false;
  std::string model;           // the hash of what gave the scores; empty where that is not known
  std::vector<double> scores;  // sorted
  size_t without_score = 0;
};

/// A model is HDF5, or a zip archive as Keras 3 writes it.
bool is_model_file(const fs::path& path) {
  const std::string start = read_up_to(*open_file(path), 8);
  return Hdf5Reader::recognises(start) || start.starts_with("PK\x03\x04");
}

ScoreSet read_set(const fs::path& path) {
  ScoreSet set;
  set.is_model = is_model_file(path);
  if (set.is_model) {
    const ModelFile model = read_model(path);
    if (!model.record || model.record->training_scores.empty()) {
      throw Error("{} stores no training scores, oddity train writes them: give a table of scores",
                  printable(path));
    }
    set.model = hash_of(model.weights);
    const std::vector<float>& scores = model.record->training_scores;
    set.scores.assign(scores.begin(), scores.end());
  } else {
    set.model = model_of_table(path);
    set.scores = read_scores(path).score;
    const auto end = std::remove_if(set.scores.begin(), set.scores.end(),
                                    [](double score) { return std::isnan(score); });
    set.without_score = static_cast<size_t>(set.scores.end() - end);
    set.scores.erase(end, set.scores.end());
    if (set.scores.empty()) {
      throw Error("{}: none of {} rows has a score", printable(path), set.without_score);
    }
  }
  std::sort(set.scores.begin(), set.scores.end());
  return set;
}

/// The verdict, in words.
std::string why(const Drift& drift, const DriftLimits& limits) {
  const std::string p =
      fmt::format("p-value {:.3g} is {} {}", drift.test.p_value,
                  drift.is_unlikely ? "below" : "not below", shortest(limits.alpha));
  if (!drift.is_unlikely) return "no drift: " + p;
  std::vector<std::string> reasons;
  if (drift.is_distant) {
    reasons.push_back(fmt::format("KS distance {:.4f} is {} or more", drift.test.distance,
                                  shortest(limits.distance)));
  }
  if (drift.is_unstable) {
    reasons.push_back(
        fmt::format("PSI {:.4f} is {} or more", drift.stability.value, shortest(limits.stability)));
  }
  if (!reasons.empty()) return fmt::format("drift: {}, and {}", p, fmt::join(reasons, ", "));
  return fmt::format("no drift: {}, but KS distance {:.4f} is below {} and PSI {:.4f} below {}", p,
                     drift.test.distance, shortest(limits.distance), drift.stability.value,
                     shortest(limits.stability));
}

Json describe(const fs::path& path, const ScoreSet& set) {
  Json quantiles = Json::object();
  for (const double q : kQuantiles) quantiles[shortest(q)] = quantile_of_sorted(set.scores, q);
  return {{"file", printable(path)},
          {"kind", set.is_model ? "model" : "table"},
          {"model", set.model.empty() ? Json() : Json(printable(std::string_view(set.model)))},
          {"scores", set.scores.size()},
          {"without_score", set.without_score},
          {"quantiles", quantiles}};
}

std::string describe_set(const Json& set) {
  const std::string scores = with_thousands(set["scores"].get<int64_t>());
  if (set["kind"] == "model") {
    return fmt::format("{}, {} training scores", set["file"].get<std::string>(), scores);
  }
  const auto without = set["without_score"].get<int64_t>();
  return fmt::format("{}, {} scores{}", set["file"].get<std::string>(), scores,
                     without == 0 ? "" : fmt::format(", {} rows without one", without));
}

void print(const Console& console, const Json& json) {
  const auto row = [&](std::string_view name, std::string_view value) {
    console.result(fmt::format("{:<14} {}", name, value));
  };
  row("A", describe_set(json["a"]));
  row("B", describe_set(json["b"]));
  row("", fmt::format("{:<12} {}", "A", "B"));
  for (const auto& [q, value] : json["a"]["quantiles"].items()) {
    row(q == "0.5" ? "median" : "quantile " + q,
        fmt::format("{:<12.6g} {:.6g}", value.get<double>(),
                    json["b"]["quantiles"][q].get<double>()));
  }
  row("KS distance", fmt::format("{:.4f}, p-value {:.3g}", json["ks_distance"].get<double>(),
                                 json["p_value"].get<double>()));
  row("PSI",
      fmt::format("{:.4f}, {} bins", json["psi"].get<double>(), json["psi_bins"].get<size_t>()));
  console.result(json["why"].get<std::string>());
}

class Compare final : public Command {
 public:
  explicit Compare(CLI::App& program);
  ExitCode run(const Console& console) override;

 private:
  fs::path a_;
  fs::path b_;
  DriftLimits limits_;
  bool json_ = false;
};

Compare::Compare(CLI::App& program)
    : Command(program, "compare", "Say whether scores are distributed as those before") {
  add_file(app(), "A", a_,
           "What is expected: a table of scores, or a model with its training scores")
      ->type_name("A")
      ->required();
  add_file(app(), "B", b_, "What is compared with it: a table of scores, or a model")
      ->type_name("B")
      ->required();
  app()
      .add_option("--alpha", limits_.alpha, "Drift needs a p-value below this")
      ->type_name("P")
      ->check(number(0, 1))
      ->capture_default_str();
  app().add_flag("--json", json_, "Print as JSON");
  app().footer(fmt::format(
      "Drift, exit code 5, is a p-value of the two-sample Kolmogorov-Smirnov test below --alpha, "
      "and\n"
      "besides a KS distance of {} or more or a population stability index (PSI, over 10 bins by\n"
      "quantiles of A) of {} or more: a few images that differ by chance are none, nor is a\n"
      "difference that only millions of images show.\n"
      "Examples:\n"
      "  oddity compare monday.csv tuesday.csv\n"
      "  oddity compare model.h5 scores.npy --json\n"
      "  oddity compare model.h5 scores.csv || echo look at the camera",
      shortest(limits_.distance), shortest(limits_.stability)));
}

ExitCode Compare::run(const Console& console) {
  check_paths({{"A", a_}, {"B", b_}}, {});
  const ScoreSet a = read_set(a_);
  const ScoreSet b = read_set(b_);
  if (!a.model.empty() && !b.model.empty() && a.model != b.model) {
    console.warning(fmt::format(
        "the scores come from different models, A's from {}, B's from {}: a difference is no "
        "drift of the images: score both sets with one model",
        printable(std::string_view(a.model)), printable(std::string_view(b.model))));
  }
  const Drift drift = measure_drift(a.scores, b.scores, limits_);
  const Json json = {
      {"version", ODDITY_VERSION},     {"a", describe(a_, a)},
      {"b", describe(b_, b)},          {"ks_distance", drift.test.distance},
      {"p_value", drift.test.p_value}, {"alpha", limits_.alpha},
      {"psi", drift.stability.value},  {"psi_bins", drift.stability.bins},
      {"drift", drift.found()},        {"why", why(drift, limits_)},
  };
  if (json_) {
    console.result(json.dump(2));
  } else {
    print(console, json);
  }
  return drift.found() ? kDrift : kSuccess;
}

}  // namespace

std::unique_ptr<Command> make_compare(CLI::App& program) {
  return std::make_unique<Compare>(program);
}

}  // namespace oddity
