// train --robust: what is learnt and scored otherwise there.
#pragma once

#include <CLI/CLI.hpp>

#include "data/pixels.h"
#include "model/score_rule.h"
#include "train/trainer.h"

namespace oddity {

class RobustOptions {
 public:
  /// --robust and --trim.
  void add_to(CLI::App& command);
  /// Sets the trim of a robust training, and its epochs where nobody asked for a number;
  /// `contamination` is the share of the images that is known to be odd, 0 where nobody knows.
  /// Throws ArgumentError for --trim without --robust.
  void apply(TrainingOptions& training, bool epochs_asked, double contamination) const;
  /// What a model of these training images scores by.
  ScoreRule score_rule(const ImageView& images) const;

 private:
  bool robust_ = false;
  double trim_ = 0;
  CLI::Option* trim_option_ = nullptr;
};

}  // namespace oddity
