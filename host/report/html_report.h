// The page that a person decides by: one file, no scripts, nothing fetched.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "detect/score_histogram.h"
#include "model/score_rule.h"
#include "report/png.h"

namespace oddity {

/// An image to show. Pictures may be of any size: the page shrinks them.
struct ReportImage {
  std::string name;  // path or number, any bytes
  float score = 0;
  std::string note;  // what else is known: "label 3"; may be empty
  Picture original, reconstruction, errors;
};

/// Files without a score, by why.
struct ReportProblem {
  std::string status;
  uint64_t count = 0;
  /// Some of them: path and reason, any bytes.
  std::vector<std::pair<std::string, std::string>> examples;
};

struct Report {
  std::string title;  // of the run: what was scored
  uint64_t outliers = 0;
  ScoreKind score_rule = ScoreKind::mse;
  double threshold = 0;          // not finite where nothing was scored
  std::string threshold_origin;  // "quantile 0.999 of these scores"
  std::string why_none;          // of an infinite one: a sentence without its end; may be empty
  std::string advice;            // what else to know of it, the same
  /// The run's own words, name and value, in order: model, device, preprocessing …
  std::vector<std::pair<std::string, std::string>> facts;
  ScoreHistogram scores;
  ScoreHistogram training_scores;  // empty where the model states none
  std::vector<ReportImage> odd;    // the highest scores first
  std::vector<ReportImage> borderline;
  std::vector<ReportImage> typical;
  std::vector<double> loss, validation_loss;  // one value an epoch; may be empty
  std::vector<ReportProblem> problems;
  bool has_table = false;            // a table of scores names the problems that are not shown
  std::vector<std::string> command;  // its words
  std::string version;
};

/// Writes the page, whole or not at all. Its pictures take about 4 MB at most: where there are too
/// many or too large ones they are shrunk. Names are shown as printable() writes them and escaped:
/// no path can become part of the page's markup. The same report gives the same bytes. Throws Error
/// where the file cannot be written.
void write_report(const std::filesystem::path& path, const Report& report);

}  // namespace oddity
