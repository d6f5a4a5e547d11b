// The score from which on an image is an outlier: how it is asked for, and what it comes from.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>

#include "files/model_file.h"

namespace oddity {

struct Threshold {
  enum class Origin { option, quantile, model, default_quantile };
  Origin origin = Origin::option;
  double value = 0;
  double quantile = std::numeric_limits<double>::quiet_NaN();  // NaN: given as a value

  /// Whether `value` is still to be computed, from the scores of this run.
  bool of_this_run() const {
    return origin == Origin::quantile || origin == Origin::default_quantile;
  }
};

/// "quantile 0.999 of the training scores, stored in the model"
std::string describe(const Threshold& threshold);
/// "option", "model", "quantile of this run": for records.
std::string_view name_of(Threshold::Origin origin);

/// --quantile, --threshold and --fail-on-outliers.
class ThresholdOptions {
 public:
  void add_to(CLI::App& command);
  /// Throws ArgumentError for options that exclude each other.
  void check() const;
  /// --threshold, else --quantile, else what the model stores, else quantile .999 of this run.
  /// Throws ArgumentError where that would make --fail-on-outliers trip always.
  Threshold choose(const ModelFile& model, const std::filesystem::path& model_path) const;

  bool fail_on_outliers() const { return fail_on_outliers_; }

 private:
  double quantile_ = 0;
  double threshold_ = 0;
  bool fail_on_outliers_ = false;
  CLI::Option* quantile_option_ = nullptr;
  CLI::Option* threshold_option_ = nullptr;
};

}  // namespace oddity
