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

#include "against.h"
#include "command.h"
#include "core/error.h"
#include "core/text.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "detect/bootstrap.h"
#include "detect/metrics.h"
#include "detect/score_reader.h"
#include "figures.h"
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
  std::vector<size_t> rows;  // of the table, which those scores are of
  size_t without_score = 0;
  size_t without_label = 0;  // of those that have a score
};

/// A baseline, judged by the same images.
struct JudgedBaseline {
  BaselineScores baseline;
  Ranking ranking;
  FigureIntervals intervals;
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
  std::vector<JudgedBaseline> judge_baselines(const Console& console, const Judged& judged,
                                              const Dataset& dataset) const;
  Json describe(const Judged& judged, const Ranking& ranking, const Flags& flags,
                const FigureIntervals& intervals,
                const std::vector<JudgedBaseline>& baselines) const;
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
  std::vector<std::string> against_;
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
  add_against(app(), against_)->group("Judging");
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
      "  oddity evaluate --scores scores.npy -d set.npz --anomaly-label 3 --curves curves.png\n"
      "  oddity evaluate --scores scores.csv -d images.npz --anomaly-label 3 --against pca,knn");
}

void Evaluate::check() const {
  check_against(against_, !dataset_.empty());
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
      judged.rows.push_back(i);
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

/// Row i of the table is image i of the data set, as labels_of has made sure.
std::vector<JudgedBaseline> Evaluate::judge_baselines(const Console& console, const Judged& judged,
                                                      const Dataset& dataset) const {
  std::vector<JudgedBaseline> all;
  for (BaselineScores& baseline :
       baseline_scores(console, against_, dataset, chosen_threads(threads_))) {
    std::vector<JudgedScore> scores = judged.scores;
    for (size_t i = 0; i < scores.size(); ++i) {
      scores[i].score = baseline.scores[judged.rows[i]];
      scores[i].is_flagged = false;
    }
    Ranking ranking(std::move(scores));
    FigureIntervals intervals = intervals_of(console, ranking);
    all.push_back({std::move(baseline), std::move(ranking), intervals});
  }
  return all;
}

Json Evaluate::describe(const Judged& judged, const Ranking& ranking, const Flags& flags,
                        const FigureIntervals& intervals,
                        const std::vector<JudgedBaseline>& baselines) const {
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
  };
  json.update(ranking_figures(ranking, intervals));
  json.update({
      {"threshold", nullptr},
      {"bootstrap", {{"replicates", replicates_}, {"seed", seed_}, {"level", 0.95}}},
      {"curves", curves_.empty() ? Json() : Json(printable(curves_))},
      {"against", Json::array()},
  });
  for (const auto& [baseline, its_ranking, its_intervals] : baselines) {
    Json one = {{"name", baseline.name},
                {"meaning", baseline.meaning},
                {baseline.size_name, baseline.size}};
    one.update(ranking_figures(its_ranking, its_intervals));
    json["against"].push_back(std::move(one));
  }
  const Figures figures = ranking.figures();
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

ExitCode Evaluate::run(const Console& console) {
  check();
  console.info("loading scores and labels...", printable(scores_));
  const ScoreColumns table = read_scores(scores_);
  std::optional<Dataset> dataset;  // where more than its labels is asked for
  if (!against_.empty()) dataset = read_dataset(dataset_);
  const LabelFiles files{scores_, dataset_, labels_};
  const std::vector<int32_t> labels =
      dataset ? labels_of(table, files, *dataset) : labels_of(table, files);
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
  std::vector<JudgedBaseline> baselines;
  if (dataset) baselines = judge_baselines(console, judged, *dataset);

  throw_if_interrupted();
  if (!curves_.empty()) {
    std::vector<OtherCurves> others;
    others.reserve(baselines.size());
    for (const JudgedBaseline& baseline : baselines) {
      others.push_back({baseline.baseline.name, &baseline.ranking});
    }
    write_curves_plot(curves_, ranking,
                      flags.origin.empty() ? ThresholdPoint::none : ThresholdPoint::shown, others);
    console.info("drawing curves...", printable(curves_));
  }
  const Json json = describe(judged, ranking, flags, intervals, baselines);
  if (json_) {
    console.result(json.dump(2));
  } else {
    print_evaluation(console, json, anomaly_labels());
  }
  return kSuccess;
}

}  // namespace

std::unique_ptr<Command> make_evaluate(CLI::App& program) {
  return std::make_unique<Evaluate>(program);
}

}  // namespace oddity
