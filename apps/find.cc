// oddity find: scores a saved set and shows the images that are reconstructed worst.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "command.h"
#include "config.h"
#include "core/error.h"
#include "core/text.h"
#include "data/dataset.h"
#include "detect/quantile.h"
#include "detect/score_table.h"
#include "device.h"
#include "engine/engine.h"
#include "files/model_file.h"
#include "interrupt.h"
#include "options.h"
#include "paths.h"
#include "reconstructions.h"
#include "report_page.h"
#include "reporters.h"
#include "score_kind.h"
#include "threshold.h"

namespace oddity {
namespace {

/// The outliers with the highest scores, as many as are drawn at most, in their order.
std::vector<size_t> highest(std::vector<size_t> outliers, std::span<const float> scores) {
  constexpr size_t kMostRows = 100;
  if (outliers.size() <= kMostRows) return outliers;
  std::stable_sort(outliers.begin(), outliers.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  outliers.resize(kMostRows);
  std::sort(outliers.begin(), outliers.end());
  return outliers;
}

/// What a device computes of a search.
struct Found {
  DeviceInfo device;
  Threshold threshold;
  ScoreRule rule;
  std::vector<float> scores;     // of the whole data set
  std::vector<size_t> outliers;  // their positions
  Reconstructions shown;         // the outliers, of very many the highest
  Report report;                 // with its images where one is asked for
};

class Find final : public Command {
 public:
  explicit Find(CLI::App& program);
  ExitCode run(const Console& console) override;

 private:
  void check() const;
  void check_fit(const ModelFile& model, const Dataset& dataset) const;
  void check_scores(std::span<const float> scores) const;
  Found compute(const Console& console, Engine& engine, const ModelFile& model,
                const ScoreRule& rule, const Dataset& dataset, const Threshold& threshold) const;
  /// Draws the outliers; no picture where there are none.
  void draw(const Console& console, const Found& found) const;
  void print_json(const Console& console, const Dataset& dataset, const Found& found) const;

  std::filesystem::path dataset_;
  std::filesystem::path model_;
  ScoreOption score_;
  ThresholdOptions threshold_;
  std::filesystem::path montage_ = "outliers.png";
  std::filesystem::path scores_;
  ReportOptions report_;
  bool json_ = false;
  ComputeOptions compute_;
};

Find::Find(CLI::App& program)
    : Command(program, "find", "Find the images of a saved set that do not belong") {
  add_file(app(), "-d,--dataset", dataset_, "The data set: NPZ, NPY, IDX or the reference's pickle")
      ->required()
      ->group("Input");
  add_file(app(), "-m,--model", model_, "The autoencoder: a Keras or Oddity model file")
      ->required()
      ->group("Input");
  score_.add_to(app());
  threshold_.add_to(app());
  add_file(app(), "--montage", montage_, "Picture of the outliers and their reconstructions: .png")
      ->capture_default_str()
      ->group("Output");
  add_file(app(), "--scores", scores_, "Table of all scores: .csv, .jsonl or .npy")
      ->group("Output");
  report_.add_report_to(app());
  report_.add_heat_maps_to(app());
  app().add_flag("--json", json_, "Print the result as JSON")->group("Output");
  add_compute_options(app(), compute_);
  add_config(app(), compute_.config);
  app().footer(
      "Examples:\n"
      "  oddity find --dataset images.npz --model autoencoder.h5\n"
      "  oddity find -d images.npz -m autoencoder.h5 --quantile .99 --scores scores.csv\n"
      "  oddity find -d today.npy -m scans.h5 --fail-on-outliers || echo look at outliers.png");
}

void Find::check() const {
  threshold_.check();
  check_suffix({"--montage", montage_}, ".png");
  if (!scores_.empty()) check_score_suffix(scores_);
  report_.check(compute_.force);
  check_paths({{"--dataset", dataset_},
               {"--model", model_},
               {"--calibration", threshold_.calibration()},
               {"--config", compute_.config}},
              {{{"--montage", montage_}},
               report_.output(),
               {{"--scores", scores_}, compute_.force ? Overwrite::replace : Overwrite::refuse}});
}

void Find::check_fit(const ModelFile& model, const Dataset& dataset) const {
  const ImageShape expected = model.architecture.image();
  const ImageShape& found = dataset.images.shape();
  if (found == expected) return;
  throw Error(
      "model expects {}, {} holds {}: train a model for that size, or give its own data set",
      to_string(expected), printable(dataset_), to_string(found));
}

void Find::check_scores(std::span<const float> scores) const {
  const auto bad =
      std::find_if(scores.begin(), scores.end(), [](float s) { return std::isnan(s); });
  if (bad == scores.end()) return;
  throw Error("{}: image {} has no score (nan): the weights of {} overflow on it: train it again",
              printable(dataset_), bad - scores.begin(), printable(model_));
}

Found Find::compute(const Console& console, Engine& engine, const ModelFile& model,
                    const ScoreRule& rule, const Dataset& dataset,
                    const Threshold& threshold) const {
  print_device(console, engine);
  const ImageView pixels = dataset.images.view();
  const auto images = engine.upload(pixels, printable(dataset_));
  const auto network = engine.network(model.architecture, model.weights);
  network->score_by(rule);
  Found found{engine.info(), threshold, rule, std::vector<float>(dataset.size()), {}, {}, {}};
  {
    ScoringReporter reporter(progress_style(compute_.progress));
    const auto scores = network->score(*images, {0, dataset.size()}, reporter,
                                       exact_scores(threshold, dataset.size()));
    scores->download(found.scores);
    check_scores(found.scores);
    if (threshold.is_quantile() && threshold.of_this_run()) {
      found.threshold.value = quantile(*scores, threshold.parameter);  // on the device
    } else {
      oddity::compute(
          found.threshold, found.scores.size(),
          [&](const auto& visit) { std::ranges::for_each(found.scores, visit); }, console);
    }
  }
  for (size_t i = 0; i < found.scores.size(); ++i) {
    if (static_cast<double>(found.scores[i]) >= found.threshold.value) found.outliers.push_back(i);
  }
  found.shown = reconstruct(*network, *images, pixels, highest(found.outliers, found.scores));
  if (report_.wants_images()) {
    found.report =
        begin_report({dataset_.string(), model_, model, found.device, found.threshold, rule});
    add_images(found.report, report_, *network, *images, dataset, found.scores);
  }
  return found;
}

void Find::draw(const Console& console, const Found& found) const {
  const std::string file = printable(montage_);
  if (found.outliers.empty()) {
    const bool stale = std::filesystem::exists(montage_);
    console.info(fmt::format("nothing to draw: {} is not written{}", file,
                             stale ? ", the one there is of an earlier run" : ""));
    return;
  }
  const size_t all = found.outliers.size();
  const size_t shown = write_reconstructions(montage_, found.shown);
  console.info("drawing outliers...",
               shown == all ? file : fmt::format("{}, {} of {}", file, shown, all));
}

void Find::print_json(const Console& console, const Dataset& dataset, const Found& found) const {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const size_t i : found.outliers) {
    rows.push_back({{"position", i}, {"index", dataset.index[i]}, {"score", found.scores[i]}});
    if (!dataset.path.empty()) {
      rows.back()["path"] = printable(std::string_view(dataset.path[i]));
    }
  }
  const ImageShape& shape = dataset.images.shape();
  nlohmann::ordered_json json = {
      {"version", ODDITY_VERSION},
      {"dataset", printable(dataset_)},
      {"model", printable(model_)},
      {"device", {{"name", found.device.name}, {"details", found.device.details}}},
      {"images", dataset.size()},
      {"shape", {shape.height, shape.width, shape.channels}},
      {"score_rule", name_of(found.rule.kind)},
      {"threshold", found.threshold.value},
      {"threshold_origin", name_of(found.threshold.origin)},
      {"threshold_parameter", nullptr},
      {"outliers", found.outliers.size()},
      {"found", rows},
      {"montage", nullptr},
      {"scores", nullptr},
      {"report", nullptr},
  };
  if (!std::isnan(found.threshold.parameter)) {
    json["threshold_parameter"] = found.threshold.parameter;
  }
  if (!found.outliers.empty()) json["montage"] = printable(montage_);
  if (!scores_.empty()) json["scores"] = printable(scores_);
  if (!report_.report().empty()) json["report"] = printable(report_.report());
  console.result(json.dump(2));
}

ExitCode Find::run(const Console& console) {
  check();
  Device device(compute_, console);
  console.info("loading autoencoder and image data...",
               fmt::format("{}  {}", printable(model_), printable(dataset_)));
  const ModelFile model = read_model(model_);
  const ScoreRule rule = score_.choose(model, console);
  const Threshold threshold = threshold_.choose(model, model_, rule);
  const Dataset dataset = read_dataset(dataset_);
  check_fit(model, dataset);
  const Found found = device.run(
      [&](Engine& engine) { return compute(console, engine, model, rule, dataset, threshold); });

  // The last moment to stop with nothing written; from here on everything is.
  throw_if_interrupted();
  console.info(fmt::format("threshold: {}", describe(found.threshold)));
  draw(console, found);
  if (!scores_.empty()) {
    write_scores(scores_, dataset.index, found.scores, found.threshold.value, dataset.path);
    console.info("saving scores...", printable(scores_));
  }
  if (!report_.heat_maps().empty() && !found.outliers.empty()) {
    console.info("drawing errors...", printable(report_.heat_maps()));
  }
  if (!report_.report().empty()) {
    write_report(report_.report(), found.report);
    console.info("writing the report...", printable(report_.report()));
  }
  if (json_) {
    print_json(console, dataset, found);
  } else {
    print_result(console, name_of(found.rule.kind), found.threshold, found.threshold.value,
                 found.outliers.size());
  }
  print_advice(console, found.threshold);
  return threshold_.fail_on_outliers() && !found.outliers.empty() ? kOutliers : kSuccess;
}

}  // namespace

std::unique_ptr<Command> make_find(CLI::App& program) { return std::make_unique<Find>(program); }

}  // namespace oddity
