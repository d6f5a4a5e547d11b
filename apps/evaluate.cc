// oddity evaluate: how well scores tell anomalies from the rest, where labels say which are which.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "core/error.h"
#include "core/text.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "detect/bootstrap.h"
#include "detect/metrics.h"
#include "detect/score_reader.h"
#include "interrupt.h"
#include "labels.h"
#include "options.h"
#include "paths.h"
#include "report/curves_plot.h"
#include "report/loss_plot.h"
#include "score_record.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Which rows are flagged, and what says so.
struct Flags {
  std::string origin;  // "option", "table", "record"; empty: nothing does
  std::optional<double> threshold;
};

/// What is judged, and what of the table is not.
struct Judged {
  std::vector<JudgedScore> scores;
  size_t without_score = 0;
  size_t without_label = 0;  // of those that have a score
};

class Evaluate final : public Command {
 public:
  explicit Evaluate(CLI::App& program);
  ExitCode run(const Console& console) override;

 private:
  void check() const;
  void check_labels(const std::vector<int32_t>& labels) const;
  Flags find_flags(const ScoreColumns& table) const;
  Judged judge(const ScoreColumns& table, const std::vector<int32_t>& labels,
               const Flags& flags) const;
  void check_classes(const Judged& judged) const;
  FigureIntervals intervals_of(const Console& console, const Ranking& ranking) const;
  Json describe(const Judged& judged, const Ranking& ranking, const Flags& flags,
                const FigureIntervals& intervals) const;
  std::string anomaly_labels() const;

  fs::path scores_;
  fs::path dataset_;
  fs::path labels_;
  std::vector<int32_t> anomaly_labels_;
  double threshold_ = 0;
  CLI::Option* threshold_option_ = nullptr;
  uint32_t replicates_ = 1000;
  uint64_t seed_ = 42;
  int threads_ = 0;
  fs::path curves_;
  bool json_ = false;
};

Evaluate::Evaluate(CLI::App& program)
    : Command(program, "evaluate", "Say how well scores tell anomalies from the rest") {
  add_file(app(), "--scores", scores_, "Table of find --scores or score: CSV, JSON lines or NPY")
      ->required()
      ->group("Input");
  app()
      .add_option("--anomaly-label", anomaly_labels_, "Labels of the images that do not belong")
      ->type_name("L")
      ->check(whole_number(0, INT32_MAX))
      ->required()
      ->group("Input");
  auto* const dataset =
      add_file(app(), "-d,--dataset", dataset_, "The data set that was scored, with its labels")
          ->group("Input");
  add_file(app(), "--labels", labels_,
           "Labels of the images: CSV with the columns path,label or index,label, or IDX by index "
           "[the names of the folders in the table's paths]")
      ->excludes(dataset)
      ->group("Input");
  threshold_option_ =
      app()
          .add_option("--threshold", threshold_,
                      "Images that score this or more are flagged [the table's is_outlier, else "
                      "the threshold in <scores>.run.json]")
          ->type_name("T")
          ->check(finite_number())
          ->group("Judging");
  app()
      .add_option("--bootstrap", replicates_,
                  "Replicates for the 95 % intervals, anomalies and others drawn apart; 0: none")
      ->type_name("N")
      ->check(whole_number(0, 1'000'000))
      ->capture_default_str()
      ->group("Judging");
  app()
      .add_option("--seed", seed_, "Seed of the bootstrap")
      ->type_name("N")
      ->check(whole_number(0, INT64_MAX))
      ->capture_default_str()
      ->group("Judging");
  add_file(app(), "--curves", curves_, "Picture of ROC and precision-recall curves: .png or .svg")
      ->group("Output");
  app().add_flag("--json", json_, "Print the figures as JSON")->group("Output");
  app().set_help_flag("-h,--help", "Print this help message and exit")->group("Common");
  app()
      .add_option("--threads", threads_,
                  "CPU threads; the results are the same whatever their number [all that may be "
                  "used]")
      ->type_name("N")
      ->check(whole_number(1, 1024))
      ->group("Common");
  app().footer(
      "Figures: AUROC; average precision; precision among the n highest scores, n being the "
      "number\n"
      "of anomalies, which is the recall there as well (of equal scores those first in the "
      "table);\n"
      "precision and recall of the flagged images.\n"
      "Examples:\n"
      "  oddity evaluate --scores scores.csv -d images.npz --anomaly-label 3\n"
      "  oddity evaluate --scores scores.jsonl --labels truth.csv --anomaly-label 1 2 --json\n"
      "  oddity evaluate --scores scores.npy -d set.npz --anomaly-label 3 --curves curves.png");
}

void Evaluate::check() const {
  if (!curves_.empty()) check_plot_suffix(curves_);
  check_paths({{"--scores", scores_}, {"--dataset", dataset_}, {"--labels", labels_}},
              {{{"--curves", curves_}}});
}

std::string Evaluate::anomaly_labels() const {
  return fmt::format("{} {}", anomaly_labels_.size() == 1 ? "label" : "labels",
                     fmt::join(anomaly_labels_, ", "));
}

/// Each label that is asked for is that of a row.
void Evaluate::check_labels(const std::vector<int32_t>& labels) const {
  constexpr size_t kMostShown = 20;
  std::set<int32_t> known(labels.begin(), labels.end());
  known.erase(kUnknownLabel);
  for (const int32_t label : anomaly_labels_) {
    if (known.count(label) > 0) continue;
    std::vector<int32_t> shown(known.begin(), known.end());
    if (shown.size() > kMostShown) shown.resize(kMostShown);
    throw Error("--anomaly-label {}: no row of {} has that label: there {} {}{}", label,
                printable(scores_), known.size() == 1 ? "is" : "are", fmt::join(shown, ", "),
                shown.size() < known.size() ? " …" : "");
  }
}

Flags Evaluate::find_flags(const ScoreColumns& table) const {
  if (*threshold_option_) return {"option", threshold_};
  if (!table.is_outlier.empty()) return {"table", {}};
  const fs::path record_file = record_path(scores_);
  if (!fs::exists(record_file)) return {};
  const auto record = Json::parse(read_record(record_file), nullptr, false);
  if (!record.is_object() || !record.contains("threshold")) {
    throw Error("{} is not the record of a run: remove it, or give --threshold",
                printable(record_file));
  }
  const Json& threshold = record["threshold"];
  if (threshold.is_null()) return {};
  if (!threshold.is_number()) {
    throw Error("{}: the threshold is no number: give --threshold", printable(record_file));
  }
  return {"record", threshold.get<double>()};
}

Judged Evaluate::judge(const ScoreColumns& table, const std::vector<int32_t>& labels,
                       const Flags& flags) const {
  const std::set<int32_t> anomalous(anomaly_labels_.begin(), anomaly_labels_.end());
  Judged judged;
  judged.scores.reserve(table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    const double score = table.score[i];
    if (std::isnan(score)) {
      ++judged.without_score;
    } else if (labels[i] == kUnknownLabel) {
      ++judged.without_label;
    } else {
      bool is_flagged = false;
      if (flags.threshold) {
        is_flagged = score >= *flags.threshold;
      } else if (!flags.origin.empty()) {
        is_flagged = table.is_outlier[i].value_or(false);
      }
      judged.scores.push_back({score, anomalous.count(labels[i]) > 0, is_flagged});
    }
  }
  return judged;
}

void Evaluate::check_classes(const Judged& judged) const {
  const auto anomalies =
      static_cast<size_t>(std::count_if(judged.scores.begin(), judged.scores.end(),
                                        [](const JudgedScore& image) { return image.is_anomaly; }));
  const size_t others = judged.scores.size() - anomalies;
  if (anomalies > 0 && others > 0) return;
  throw Error(
      "{}: of the rows with a score and a label {} are of {}, {} of others: both are needed "
      "to tell them apart",
      printable(scores_), anomalies, anomaly_labels(), others);
}

FigureIntervals Evaluate::intervals_of(const Console& console, const Ranking& ranking) const {
  if (replicates_ == 0) return {};
  console.info("drawing bootstrap replicates...", with_thousands(replicates_));
  const BootstrapOptions options{replicates_, seed_, chosen_threads(threads_)};
  return bootstrap(ranking, options, throw_if_interrupted);
}

/// A figure and its interval; null where they are not defined.
Json with_interval(double value, const Interval& interval) {
  const auto number = [](double x) { return std::isfinite(x) ? Json(x) : Json(); };
  return {{"value", number(value)}, {"low", number(interval.low)}, {"high", number(interval.high)}};
}

Json Evaluate::describe(const Judged& judged, const Ranking& ranking, const Flags& flags,
                        const FigureIntervals& intervals) const {
  const Figures figures = ranking.figures();
  Json at_n = with_interval(figures.precision_at_n, intervals.precision_at_n);
  at_n["n"] = ranking.anomalies();
  Json json = {
      {"version", ODDITY_VERSION},
      {"scores", printable(scores_)},
      {"dataset", dataset_.empty() ? Json() : Json(printable(dataset_))},
      {"labels", labels_.empty() ? Json() : Json(printable(labels_))},
      {"anomaly_labels", anomaly_labels_},
      {"anomalies", ranking.anomalies()},
      {"others", ranking.others()},
      {"without_score", judged.without_score},
      {"without_label", judged.without_label},
      {"auroc", with_interval(figures.auroc, intervals.auroc)},
      {"average_precision", with_interval(figures.average_precision, intervals.average_precision)},
      {"precision_at_n", at_n},
      {"recall_at_n", at_n},
      {"threshold", nullptr},
      {"bootstrap", {{"replicates", replicates_}, {"seed", seed_}, {"level", 0.95}}},
      {"curves", curves_.empty() ? Json() : Json(printable(curves_))},
  };
  if (!flags.origin.empty()) {
    json["threshold"] = {
        {"origin", flags.origin},
        {"value", flags.threshold ? Json(*flags.threshold) : Json()},
        {"flagged", ranking.flagged_anomalies() + ranking.flagged_others()},
        {"flagged_anomalies", ranking.flagged_anomalies()},
        {"precision", with_interval(figures.precision, intervals.precision)},
        {"recall", with_interval(figures.recall, intervals.recall)},
    };
  }
  return json;
}

std::string threshold_text(const Json& threshold) {
  const auto origin = threshold["origin"].get<std::string>();
  if (origin == "table") return "the table's is_outlier";
  const std::string value = shortest(threshold["value"].get<double>());
  return value + (origin == "option" ? ", given with --threshold" : ", of the run's record");
}

void print(const Console& console, const Json& json, const std::string& anomaly_labels) {
  const auto row = [&](std::string_view name, std::string_view value) {
    console.result(fmt::format("{:<20} {}", name, value));
  };
  const auto figure = [&](std::string_view name, const Json& of) {
    std::string text = "not defined: no image is flagged";
    if (!of["value"].is_null()) text = fmt::format("{:.4f}", of["value"].get<double>());
    if (!of["low"].is_null()) {
      text = fmt::format("{:<8} {:.4f} to {:.4f}", text, of["low"].get<double>(),
                         of["high"].get<double>());
    }
    row(name, text);
  };
  const auto count = [](const Json& number) { return with_thousands(number.get<int64_t>()); };
  row("scores", json["scores"].get<std::string>());
  row("images", fmt::format("{} of {}, {} of others", count(json["anomalies"]), anomaly_labels,
                            count(json["others"])));
  const auto replicates = json["bootstrap"]["replicates"].get<uint32_t>();
  if (replicates > 0) {
    row("", fmt::format("{:<8} 95 % interval, {} replicates", "", with_thousands(replicates)));
  }
  figure("AUROC", json["auroc"]);
  figure("average precision", json["average_precision"]);
  figure(fmt::format("precision at {}", json["precision_at_n"]["n"].get<uint64_t>()),
         json["precision_at_n"]);
  figure(fmt::format("recall at {}", json["recall_at_n"]["n"].get<uint64_t>()),
         json["recall_at_n"]);
  const Json& threshold = json["threshold"];
  if (threshold.is_null()) return row("threshold", "none known: give --threshold");
  row("threshold", threshold_text(threshold));
  row("flagged", fmt::format("{}, {} of them anomalies", count(threshold["flagged"]),
                             count(threshold["flagged_anomalies"])));
  figure("precision", threshold["precision"]);
  figure("recall", threshold["recall"]);
}

ExitCode Evaluate::run(const Console& console) {
  check();
  console.info("loading scores and labels...", printable(scores_));
  const ScoreColumns table = read_scores(scores_);
  const std::vector<int32_t> labels = labels_of(table, {scores_, dataset_, labels_});
  check_labels(labels);
  const Flags flags = find_flags(table);
  const Judged judged = judge(table, labels, flags);
  const size_t left_out = judged.without_score + judged.without_label;
  if (left_out > 0) {
    console.warning(
        fmt::format("{} of {} rows are left out: {} without a score, {} without a label", left_out,
                    table.size(), judged.without_score, judged.without_label));
  }
  check_classes(judged);
  const Ranking ranking(judged.scores);
  const FigureIntervals intervals = intervals_of(console, ranking);

  throw_if_interrupted();
  if (!curves_.empty()) {
    write_curves_plot(curves_, ranking,
                      flags.origin.empty() ? ThresholdPoint::none : ThresholdPoint::shown);
    console.info("drawing curves...", printable(curves_));
  }
  const Json json = describe(judged, ranking, flags, intervals);
  if (json_) {
    console.result(json.dump(2));
  } else {
    print(console, json, anomaly_labels());
  }
  return kSuccess;
}

}  // namespace

std::unique_ptr<Command> make_evaluate(CLI::App& program) {
  return std::make_unique<Evaluate>(program);
}

}  // namespace oddity
