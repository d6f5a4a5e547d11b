// The data that `oddity train` learns from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "console.h"
#include "data/dataset.h"
#include "data/unsupervised.h"
#include "image_inputs.h"
#include "options.h"
#include "report/html_report.h"

namespace oddity {

struct TrainData {
  ImageInputs images;            // none named: the embedded MNIST
  std::filesystem::path labels;  // of `images`, IDX
  UnsupervisedOptions draw;
  bool draw_asked = false;  // labels or contamination were named: a data set is to be drawn

  /// What messages call the images.
  std::string name() const;
};

/// Throws ArgumentError for combinations that make no sense, before any file is read.
void check_train_data(const TrainData& data);

struct LoadedTrainData {
  Dataset dataset;
  std::vector<ReportProblem> problems;  // images that cannot be used, for the report
};

/// Reads the images and, where labels are at hand and meant to be used, draws the unsupervised
/// data set; else all images are the data set. Says on the console what it does.
/// Throws TooManyBadImages above --max-bad.
LoadedTrainData load_train_data(const TrainData& data, const ComputeOptions& options,
                                const Console& console);

}  // namespace oddity
