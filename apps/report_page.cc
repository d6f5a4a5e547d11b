#include "report_page.h"

#include <fmt/format.h>

#include <cmath>
#include <system_error>

#include "command_line.h"
#include "core/error.h"
#include "core/text.h"
#include "detect/quantile.h"
#include "files/atomic_file.h"
#include "files/npy.h"
#include "interrupt.h"
#include "options.h"
#include "report/heat_map.h"
#include "score_kind.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kShownSide = 160;  // more than a page shows of one of many images

std::string name_of_image(const Dataset& dataset, size_t position) {
  if (!dataset.path.empty()) return dataset.path[position];
  return fmt::format("image {}", dataset.index[position]);
}

}  // namespace

void ReportOptions::add_report_to(CLI::App& command) {
  add_file(command, "--report", report_,
           "Page that shows what was found and why, one file for any browser: .html")
      ->group("Output");
}

void ReportOptions::add_heat_maps_to(CLI::App& command) {
  add_file(command, "--heatmaps", heat_maps_,
           "Folder for the squared error of each pixel of every outlier: <row>.png and .npy")
      ->type_name("DIR")
      ->group("Output");
}

void ReportOptions::check(bool force) const {
  if (!report_.empty()) check_suffix({"--report", report_}, ".html");
  if (heat_maps_.empty()) return;
  std::error_code error;
  if (!fs::exists(heat_maps_, error)) {
    // Its parent must be there and writable; nothing is left if the work fails.
    check_output(heat_maps_, Overwrite::refuse);
    return;
  }
  if (!fs::is_directory(heat_maps_, error)) {
    throw ArgumentError("--heatmaps {}: it is no folder", printable(heat_maps_));
  }
  if (!force && !fs::is_empty(heat_maps_, error)) {
    throw Error(
        "--heatmaps {}: it is not empty, and maps of another run would be taken for this one's: "
        "empty it, or write among what it holds with --force",
        printable(heat_maps_));
  }
}

ReportImage look_at(Network& network, const Images& images, const ImageView& pixels,
                    size_t position) {
  const ImageShape& shape = pixels.shape;
  std::vector<float> values(static_cast<size_t>(shape.size()));
  ReportImage image;
  to_float(pixels, position, values.data());
  image.original = shrunk(picture_of(values, shape), kShownSide);
  network.reconstruct(images, {position, position + 1}, values);
  image.reconstruction = shrunk(picture_of(values, shape), kShownSide);
  network.pixel_errors(images, {position, position + 1}, values);
  image.errors = shrunk(heat_map(values, shape), kShownSide);
  return image;
}

void write_heat_map(const fs::path& folder, uint64_t row, Network& network, const Images& images,
                    size_t position) {
  std::error_code error;
  fs::create_directory(folder, error);
  if (error) throw Error("cannot make the folder {}: {}", printable(folder), error.message());
  const ImageShape& shape = images.shape();
  std::vector<float> errors(static_cast<size_t>(shape.size()));
  network.pixel_errors(images, {position, position + 1}, errors);
  const std::string name = fmt::format("{:08}", row);
  write_png(folder / (name + ".png"), heat_map(errors, shape));
  const int64_t extents[] = {shape.height, shape.width, shape.channels};
  std::string array = npy_header("<f4", extents);
  array.append(reinterpret_cast<const char*>(errors.data()), errors.size() * sizeof(float));
  write_file(folder / (name + ".npy"), array);
}

ScoreHistogram histogram_of(std::span<const float> scores) {
  ScoreHistogram histogram;
  for (const float score : scores) histogram.add(score);
  return histogram;
}

Report begin_report(const ReportSubject& subject) {
  Report report;
  report.title = subject.title;
  report.version = ODDITY_VERSION;
  report.score_rule = subject.rule.kind;
  report.threshold = subject.threshold.value;
  report.threshold_origin = describe(subject.threshold);
  report.why_none = why_none(subject.threshold);
  report.advice = advice(subject.threshold);
  report.command = command_line();
  const Architecture& architecture = subject.model.architecture;
  report.facts = {
      {"Model",
       fmt::format("{} ({})", printable(subject.model_path), hash_of(subject.model.weights))},
      {"Images", to_string(architecture.image())},
      {"Device", fmt::format("{} ({})", subject.device.name, subject.device.details)},
      {"Program", std::string("oddity ") + ODDITY_VERSION},
  };
  if (std::isfinite(report.threshold)) {
    // The page's text rounds it.
    report.facts.insert(report.facts.end() - 1, {"Threshold", shortest(report.threshold)});
  }
  if (subject.model.record) {
    const ModelRecord& record = *subject.model.record;
    if (has_scores_by(subject.model, subject.rule)) {
      report.training_scores = histogram_of(record.training_scores);
    }
    report.loss = record.loss;
    report.validation_loss = record.validation_loss;
    if (!record.preprocessing.empty()) {
      report.facts.insert(report.facts.begin() + 2,
                          {"Preprocessing", describe(record.preprocessing)});
    }
  }
  return report;
}

void add_images(Report& report, const ReportOptions& options, Network& network,
                const Images& images, const Dataset& dataset, std::span<const float> scores) {
  Selection selection(report.threshold, quantile(scores, 0.5));
  for (size_t i = 0; i < scores.size(); ++i) {
    selection.add(i, {}, scores[i]);
    report.scores.add(scores[i]);
    if (options.heat_maps().empty() || static_cast<double>(scores[i]) < report.threshold) continue;
    throw_if_interrupted();
    write_heat_map(options.heat_maps(), i, network, images, i);
  }
  report.outliers = selection.outlier_count();
  if (options.report().empty()) return;
  const ImageView pixels = dataset.images.view();
  const auto look = [&](const std::vector<SelectedRow>& rows) {
    std::vector<ReportImage> looks;
    for (const SelectedRow& row : rows) {
      throw_if_interrupted();
      looks.push_back(look_at(network, images, pixels, row.index));
      looks.back().name = name_of_image(dataset, row.index);
      looks.back().score = row.score;
      if (dataset.label[row.index] != kUnknownLabel) {
        looks.back().note = fmt::format("label {}", dataset.label[row.index]);
      }
    }
    return looks;
  };
  report.odd = look(selection.outliers());
  report.borderline = look(selection.borderline());
  report.typical = look(selection.typical());
}

}  // namespace oddity
