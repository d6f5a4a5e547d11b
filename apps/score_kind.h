// --score: what a model's images are scored by.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "console.h"
#include "files/model_file.h"

namespace oddity {

class ScoreOption {
 public:
  void add_to(CLI::App& command);
  /// What was asked for, else what the model states. Says on the console where the model lacks what
  /// the score needs.
  ScoreRule choose(const ModelFile& model, const Console& console) const;

 private:
  std::string kind_;  // empty: the model's
};

/// Whether the model's threshold and training scores are of the rule's kind; false where it states
/// none.
bool has_scores_by(const ModelFile& model, const ScoreRule& rule);

/// The model's own rule; the mean squared error where it states none.
ScoreRule score_rule(const ModelFile& model);

}  // namespace oddity
