#include "threshold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"
#include "detect/score_reader.h"
#include "detect/threshold_rule.h"
#include "options.h"
#include "score_kind.h"

namespace oddity {
namespace {

using Origin = Threshold::Origin;

constexpr double kDefaultQuantile = 0.999;

uint64_t whole(double value) { return static_cast<uint64_t>(std::llround(value)); }

/// Whether a rule flags some images whatever they are.
bool always_flags(Origin origin) {
  return origin == Origin::quantile || origin == Origin::default_quantile ||
         origin == Origin::top_k || origin == Origin::contamination;
}

/// How many images these two rules flag, equal scores apart.
uint64_t flagged_by_rule(const Threshold& threshold, uint64_t count) {
  return threshold.origin == Origin::top_k
             ? whole(threshold.parameter)
             : whole(threshold.parameter * static_cast<double>(count));
}

std::vector<float> read_calibration(const std::filesystem::path& path) {
  std::vector<float> scores;
  for (const double score : read_scores(path).score) {
    if (!std::isnan(score)) scores.push_back(static_cast<float>(score));
  }
  if (scores.empty()) throw Error("--calibration {}: holds no score", printable(path));
  return scores;
}

}  // namespace

ExactScores exact_scores(const Threshold& threshold, uint64_t count) {
  if (!threshold.of_this_run()) return ExactScores::from_threshold(threshold.value);
  if (count == 0) return {};
  if (threshold.is_quantile()) {
    return ExactScores::from_rank(quantile_position(count, threshold.parameter).lower);
  }
  if (threshold.origin == Origin::top_k || threshold.origin == Origin::contamination) {
    const uint64_t flagged = flagged_by_rule(threshold, count);
    return ExactScores::from_rank(count - std::clamp<uint64_t>(flagged, 1, count));
  }
  return {};
}

std::string describe(const Threshold& threshold) {
  const std::string parameter = concise(threshold.parameter);
  switch (threshold.origin) {
    case Origin::option:
      return "given with --threshold";
    case Origin::model:
      return fmt::format("quantile {} of the training scores, stored in the model", parameter);
    case Origin::quantile:
      return fmt::format("quantile {} of these scores", parameter);
    case Origin::default_quantile:
      return fmt::format("quantile {} of these scores, as the model stores none", parameter);
    case Origin::top_k: {
      const uint64_t asked = whole(threshold.parameter);
      if (threshold.scores == 0 || asked < threshold.scores) {
        return fmt::format("the {} of these scores",
                           asked == 1 ? "highest" : parameter + " highest");
      }
      return fmt::format("all {}, as the {} highest were asked for",
                         counted(threshold.scores, "score"), parameter);
    }
    case Origin::contamination:
      return fmt::format("a share of {} of these images", parameter);
    case Origin::mad:
      return fmt::format("median + {} scaled median absolute deviations of these scores",
                         parameter);
    case Origin::false_discovery_rate:
      return fmt::format("false discovery rate {} by {}", parameter,
                         counted(threshold.calibration.size(), "held-out score"));
  }
  return {};
}

std::string why_none(const Threshold& threshold) {
  if (threshold.origin != Origin::false_discovery_rate || !std::isinf(threshold.value)) return {};
  return fmt::format(
      "No threshold reaches the false discovery rate {}: {}", concise(threshold.parameter),
      threshold.shortfall.empty() ? fmt::format("too few images score above the {} held-out ones",
                                                threshold.calibration.size())
                                  : threshold.shortfall);
}

std::string advice(const Threshold& threshold) {
  // Two images: fewer are what the rule flags where all are alike, and tell nothing.
  constexpr double kFewest = 2;
  const double share = 1 - threshold.parameter;
  const auto scores = static_cast<double>(threshold.training_scores);
  if (!threshold.is_quantile() || scores == 0 || share <= 0 || scores * share >= kFewest) return {};
  return fmt::format(
      "quantile {} of {} flags about one image in {}, of the training set at least one, whatever "
      "is in it: --mad or --top-k judge small sets better",
      concise(threshold.parameter), counted(threshold.training_scores, "training score"),
      with_thousands(std::llround(1 / share)));
}

std::string_view name_of(Origin origin) {
  switch (origin) {
    case Origin::option:
      return "option";
    case Origin::model:
      return "model";
    case Origin::quantile:
    case Origin::default_quantile:
      return "quantile of this run";
    case Origin::top_k:
      return "top k of this run";
    case Origin::contamination:
      return "contamination of this run";
    case Origin::mad:
      return "median absolute deviation of this run";
    case Origin::false_discovery_rate:
      return "false discovery rate of this run";
  }
  return {};
}

void compute(Threshold& threshold, uint64_t count, const ScorePass& pass, const Console& console) {
  threshold.scores = count;
  switch (threshold.origin) {
    case Origin::option:
    case Origin::model:
      return;
    case Origin::quantile:
    case Origin::default_quantile:
      threshold.value = streamed_quantile(count, threshold.parameter, pass);
      return;
    case Origin::top_k:
      threshold.value = top_k_threshold(count, flagged_by_rule(threshold, count), pass);
      if (flagged_by_rule(threshold, count) >= count) {
        console.warning(fmt::format("--top-k {} of {} flags everything: ask for fewer",
                                    concise(threshold.parameter), counted(count, "score")));
      }
      return;
    case Origin::contamination:
      threshold.value = top_k_threshold(count, flagged_by_rule(threshold, count), pass);
      return;
    case Origin::mad:
      threshold.value = mad_threshold(count, threshold.parameter, pass);
      return;
    case Origin::false_discovery_rate: {
      const ConformalThreshold found =
          conformal_threshold(count, pass, threshold.calibration, threshold.parameter);
      threshold.value = found.threshold;
      if (found.least_needed > 1) {
        threshold.shortfall = fmt::format(
            "with {} at least {} of {} must score above all of them for any to be flagged: hold "
            "out about {} for a single one",
            counted(threshold.calibration.size(), "held-out score"),
            with_thousands(static_cast<int64_t>(found.least_needed)), counted(count, "image"),
            with_thousands(
                static_cast<int64_t>(std::ceil(static_cast<double>(count) / threshold.parameter))));
        console.warning(
            fmt::format("--fdr {}: {}", concise(threshold.parameter), threshold.shortfall));
      }
      return;
    }
  }
}

void print_result(const Console& console, std::string_view score, const Threshold& threshold,
                  double value, uint64_t outliers) {
  const bool is_out_of_reach =
      threshold.origin == Origin::false_discovery_rate && std::isinf(value);
  console.result(is_out_of_reach
                     ? fmt::format("[INFO] {} threshold: none reaches the false discovery rate {}",
                                   score, concise(threshold.parameter))
                     : fmt::format("[INFO] {} threshold: {}", score, shortest(value)));
  console.result(fmt::format("[INFO] {} outliers found", outliers));
}

void print_advice(const Console& console, const Threshold& threshold) {
  const std::string text = advice(threshold);
  if (!text.empty()) console.info(text);
}

void ThresholdOptions::add_to(CLI::App& command) {
  const auto add = [&](Origin origin, const char* name, double& value, const char* type,
                       const CLI::Validator& check, const char* description) {
    rules_.push_back({origin,
                      command.add_option(name, value, description)
                          ->type_name(type)
                          ->check(check)
                          ->group("Threshold"),
                      &value});
  };
  add(Origin::quantile, "-q,--quantile", quantile_, "Q", number(0, 1),
      "Outliers score at or above this quantile of these scores: for looking at the oddest of a "
      "set, however odd they are [the threshold stored in the model, else .999]");
  add(Origin::option, "--threshold", threshold_, "T", finite_number(),
      "... at or above this: for sets that are to be judged alike");
  add(Origin::top_k, "--top-k", top_k_, "K", whole_number(1, int64_t{1} << 53),
      "... the K highest: for as many as a person has time to look at");
  add(Origin::contamination, "--contamination", contamination_, "SHARE", number(0, 1),
      "... this share of the images: where it is known how many are odd");
  add(Origin::mad, "--mad", mad_, "N", positive_number(),
      "... N scaled median absolute deviations above the median: for sets that may hold none or "
      "many; 6 is a careful choice");
  add(Origin::false_discovery_rate, "--fdr", rate_, "RATE", number(0, 1, Ends::open),
      "... so that at most this share of them is normal, in expectation; needs --calibration: for "
      "decisions that must stand");
  add_file(command, "--calibration", calibration_,
           "Table of scores of normal images that the model was not trained on, for --fdr")
      ->group("Threshold");
  command
      .add_flag("--fail-on-outliers", fail_on_outliers_,
                "Exit with 3 where there are outliers; needs a threshold that does not flag some "
                "whatever they are")
      ->group("Threshold");
}

const ThresholdOptions::Rule* ThresholdOptions::asked() const {
  const auto given = std::find_if(rules_.begin(), rules_.end(),
                                  [](const Rule& rule) { return rule.option->count() > 0; });
  return given == rules_.end() ? nullptr : &*given;
}

void ThresholdOptions::check() const {
  const auto text = [](const Rule& rule) {
    return fmt::format("--{} {}", rule.option->get_lnames().front(), concise(*rule.value));
  };
  const Rule* const rule = asked();
  for (const Rule& other : rules_) {
    if (&other == rule || other.option->count() == 0) continue;
    throw ArgumentError("{} and {} exclude each other: give one", text(*rule), text(other));
  }
  const bool is_rate = rule != nullptr && rule->origin == Origin::false_discovery_rate;
  if (is_rate && calibration_.empty()) {
    throw ArgumentError(
        "{} needs scores of normal images that the model was not trained on: --calibration FILE",
        text(*rule));
  }
  if (!is_rate && !calibration_.empty()) {
    throw ArgumentError("--calibration {} is for --fdr: give a rate, --fdr .1",
                        printable(calibration_));
  }
  if (fail_on_outliers_ && rule != nullptr && always_flags(rule->origin)) {
    throw ArgumentError(
        "--fail-on-outliers with {} would always trip: give --threshold, --mad or --fdr, or leave "
        "it out to use the model's",
        text(*rule));
  }
}

Threshold ThresholdOptions::choose(const ModelFile& model, const std::filesystem::path& model_path,
                                   const ScoreRule& rule) const {
  if (const Rule* const chosen = asked()) {
    Threshold threshold{.origin = chosen->origin, .value = 0, .parameter = *chosen->value};
    if (chosen->origin == Origin::option) {
      return {.origin = Origin::option, .value = *chosen->value};
    }
    if (!calibration_.empty()) threshold.calibration = read_calibration(calibration_);
    return threshold;
  }
  if (has_scores_by(model, rule)) {
    return {.origin = Origin::model,
            .value = model.record->threshold,
            .parameter = model.record->threshold_quantile,
            .training_scores = model.record->training_scores.size()};
  }
  if (fail_on_outliers_) {
    throw ArgumentError(
        "--fail-on-outliers: {} stores no threshold of this score, and a quantile of this run "
        "would always trip: give --threshold",
        printable(model_path));
  }
  return {.origin = Origin::default_quantile, .parameter = kDefaultQuantile};
}

}  // namespace oddity
