// --report and --heatmaps: what they show, whatever command they belong to.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "detect/selection.h"
#include "engine/engine.h"
#include "files/model_file.h"
#include "paths.h"
#include "report/html_report.h"
#include "threshold.h"

namespace oddity {

class ReportOptions {
 public:
  void add_report_to(CLI::App& command);
  void add_heat_maps_to(CLI::App& command);

  /// Throws ArgumentError for a suffix or folder that does not fit; `force`: heat maps may go among
  /// what their folder holds.
  void check(bool force) const;

  const std::filesystem::path& report() const { return report_; }
  const std::filesystem::path& heat_maps() const { return heat_maps_; }
  bool wants_images() const { return !report_.empty() || !heat_maps_.empty(); }
  /// For check_paths().
  OutputPath output() const { return {{"--report", report_}}; }

 private:
  std::filesystem::path report_;
  std::filesystem::path heat_maps_;
};

/// One image, its reconstruction and where they differ, with sides that a page can hold; no name
/// and score yet. `pixels` are what `images` was uploaded from.
ReportImage look_at(Network& network, const Images& images, const ImageView& pixels,
                    size_t position);

/// Writes <row>.png, a picture of heat_map(), and <row>.npy, float32 [H, W, C], to `folder`, which
/// is made where it is not there: the squared error of each pixel. Throws Error where they cannot
/// be written.
void write_heat_map(const std::filesystem::path& folder, uint64_t row, Network& network,
                    const Images& images, size_t position);

/// What a report says of any run: the model, its training, the threshold, the command line.
struct ReportSubject {
  std::string title;
  std::filesystem::path model_path;
  const ModelFile& model;
  DeviceInfo device;
  Threshold threshold;
  ScoreRule rule;
};
Report begin_report(const ReportSubject& subject);

/// Of a set in memory: chooses the images that the report shows, looks at them, and writes the heat
/// maps of all outliers, where either is asked for.
void add_images(Report& report, const ReportOptions& options, Network& network,
                const Images& images, const Dataset& dataset, std::span<const float> scores);

/// Counts the scores at even ranks that a model keeps of its training set.
ScoreHistogram histogram_of(std::span<const float> scores);

}  // namespace oddity
