#include "robust_options.h"

#include <algorithm>

#include "core/error.h"
#include "data/variation.h"
#include "options.h"

namespace oddity {
namespace {

constexpr int64_t kEpochs = 8;
constexpr double kTrim = 0.06;
constexpr double kTrimPerContamination = 2;
constexpr double kMostTrim = 0.5;        // by default: what most images are is not odd
constexpr double kVariationFloor = 0.1;  // of the median of the training images

}  // namespace

void RobustOptions::add_to(CLI::App& command) {
  command
      .add_flag("--robust", robust_,
                "Find more: in each batch do not learn from the images that are worst for what "
                "they show, and score by the smoothed error per total variation")
      ->group("Training");
  trim_option_ = command
                     .add_option("--trim", trim_,
                                 "Share of a batch that --robust does not learn from [.06, or "
                                 "twice --contam where that is more]")
                     ->type_name("SHARE")
                     ->check(number(0, 1, Ends::open))
                     ->group("Training");
}

void RobustOptions::apply(TrainingOptions& training, bool epochs_asked,
                          double contamination) const {
  const bool trim_asked = trim_option_->count() > 0;
  if (!robust_) {
    if (trim_asked) throw ArgumentError("--trim is of --robust: give it, too");
    return;
  }
  if (!epochs_asked) training.epochs = kEpochs;
  training.trim =
      trim_asked ? trim_ : std::clamp(contamination * kTrimPerContamination, kTrim, kMostTrim);
}

ScoreRule RobustOptions::score_rule(const ImageView& images) const {
  if (!robust_) return {};
  return {.kind = ScoreKind::robust, .variation_floor = kVariationFloor * median_variation(images)};
}

}  // namespace oddity
