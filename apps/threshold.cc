#include "threshold.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/text.h"
#include "options.h"

namespace oddity {
namespace {

constexpr double kDefaultQuantile = 0.999;

}  // namespace

std::string describe(const Threshold& threshold) {
  switch (threshold.origin) {
    case Threshold::Origin::option:
      return "given with --threshold";
    case Threshold::Origin::model:
      return fmt::format("quantile {} of the training scores, stored in the model",
                         shortest(threshold.quantile));
    case Threshold::Origin::quantile:
      return fmt::format("quantile {} of these scores", shortest(threshold.quantile));
    case Threshold::Origin::default_quantile:
      return fmt::format("quantile {} of these scores, as the model stores none",
                         shortest(threshold.quantile));
  }
  return {};
}

std::string_view name_of(Threshold::Origin origin) {
  return origin == Threshold::Origin::option  ? "option"
         : origin == Threshold::Origin::model ? "model"
                                              : "quantile of this run";
}

void ThresholdOptions::add_to(CLI::App& command) {
  quantile_option_ = command
                         .add_option("-q,--quantile", quantile_,
                                     "Outliers score at or above this quantile of these scores "
                                     "[the threshold stored in the model, else .999]")
                         ->type_name("Q")
                         ->check(number(0, 1))
                         ->group("Threshold");
  threshold_option_ =
      command.add_option("--threshold", threshold_, "Outliers score at or above this")
          ->type_name("T")
          ->check(finite_number())
          ->group("Threshold");
  command
      .add_flag("--fail-on-outliers", fail_on_outliers_,
                "Exit with 3 where there are outliers; needs a threshold that is not of this run")
      ->group("Threshold");
}

void ThresholdOptions::check() const {
  if (*quantile_option_ && *threshold_option_) {
    throw ArgumentError("--threshold {} and --quantile {} exclude each other: give one",
                        shortest(threshold_), shortest(quantile_));
  }
  if (fail_on_outliers_ && *quantile_option_) {
    throw ArgumentError(
        "--fail-on-outliers with --quantile {} would always trip: give --threshold, or leave "
        "--quantile out to use the model's",
        shortest(quantile_));
  }
}

Threshold ThresholdOptions::choose(const ModelFile& model,
                                   const std::filesystem::path& model_path) const {
  using Origin = Threshold::Origin;
  if (*threshold_option_) return {.origin = Origin::option, .value = threshold_};
  if (*quantile_option_) return {.origin = Origin::quantile, .quantile = quantile_};
  if (model.record) {
    return {Origin::model, model.record->threshold, model.record->threshold_quantile};
  }
  if (fail_on_outliers_) {
    throw ArgumentError(
        "--fail-on-outliers: {} stores no threshold, and a quantile of this run would always trip: "
        "give --threshold",
        printable(model_path));
  }
  return {.origin = Origin::default_quantile, .quantile = kDefaultQuantile};
}

}  // namespace oddity
