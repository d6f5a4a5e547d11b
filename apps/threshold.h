// The score from which on an image is an outlier: how it is asked for, and what it comes from.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "console.h"
#include "detect/quantile.h"
#include "files/model_file.h"

namespace oddity {

struct Threshold {
  enum class Origin {
    option,
    quantile,
    model,
    default_quantile,
    top_k,
    contamination,
    mad,
    false_discovery_rate
  };
  Origin origin = Origin::option;
  double value = 0;  // infinity: nothing is an outlier
  /// What was asked for, or which quantile the model stores; NaN for Origin::option.
  double parameter = std::numeric_limits<double>::quiet_NaN();
  /// Scores of normal images that were held out; for the false discovery rate.
  std::vector<float> calibration = {};
  /// Of a model's own threshold: how many scores it is a quantile of; 0: not known.
  uint64_t training_scores = 0;
  /// From compute(): scores of this run, and why a false discovery rate is out of reach, or nearly.
  uint64_t scores = 0;
  std::string shortfall = {};

  /// Whether `value` is still to be computed, from the scores of this run.
  bool of_this_run() const { return origin != Origin::option && origin != Origin::model; }
  bool is_quantile() const {
    return origin == Origin::quantile || origin == Origin::model ||
           origin == Origin::default_quantile;
  }
};

/// The scores that it takes to be as exact as they can be: those it is made of, and those it flags.
/// `count` is that of the run's scores; 0 where it is not known yet.
ExactScores exact_scores(const Threshold& threshold, uint64_t count);

/// "quantile 0.999 of the training scores, stored in the model"
std::string describe(const Threshold& threshold);
/// Why no score was high enough, where a false discovery rate asks for one: a sentence. Empty where
/// there is a threshold.
std::string why_none(const Threshold& threshold);
/// What else to know of the threshold of a small training set; mostly empty.
std::string advice(const Threshold& threshold);
/// "option", "model", "quantile of this run": for records.
std::string_view name_of(Threshold::Origin origin);

/// Computes the value of a threshold that is of_this_run(), from its `count` scores. Says on the
/// console where a false discovery rate cannot be reached, or hardly, and where every image is
/// flagged. Throws as the functions of detect/ do.
void compute(Threshold& threshold, uint64_t count, const ScorePass& pass, const Console& console);

/// The reference program's two lines: `score` is the name of what is scored by, `value` is that of
/// the threshold. Where no value reaches a rate they say so.
void print_result(const Console& console, std::string_view score, const Threshold& threshold,
                  double value, uint64_t outliers);
/// advice(), where there is some.
void print_advice(const Console& console, const Threshold& threshold);

/// --quantile, --threshold, the other rules, and --fail-on-outliers.
class ThresholdOptions {
 public:
  void add_to(CLI::App& command);
  /// Throws ArgumentError for options that exclude each other.
  void check() const;
  /// What was asked for, else what the model stores, else quantile .999 of this run. Throws
  /// ArgumentError where that would make --fail-on-outliers trip always, Error where the
  /// calibration cannot be read.
  /// The model's own is of its own score, and not taken for another.
  Threshold choose(const ModelFile& model, const std::filesystem::path& model_path,
                   const ScoreRule& rule) const;

  bool fail_on_outliers() const { return fail_on_outliers_; }
  /// For check_paths(); may be empty.
  const std::filesystem::path& calibration() const { return calibration_; }

 private:
  /// An option that names a rule, and where its value goes.
  struct Rule {
    Threshold::Origin origin;
    CLI::Option* option;
    const double* value;
  };
  /// The rule that was asked for; null where none was.
  const Rule* asked() const;

  double threshold_ = 0;
  double quantile_ = 0;
  double top_k_ = 0;
  double contamination_ = 0;
  double mad_ = 0;
  double rate_ = 0;
  std::filesystem::path calibration_;
  bool fail_on_outliers_ = false;
  std::vector<Rule> rules_;
};

}  // namespace oddity
