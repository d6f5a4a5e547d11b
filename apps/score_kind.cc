#include "score_kind.h"

namespace oddity {

void ScoreOption::add_to(CLI::App& command) {
  command
      .add_option(
          "--score", kind_,
          "What images are scored by: mse, the mean squared error, or robust, for models of "
          "train --robust [the model's own]")
      ->type_name("SCORE")
      ->check(CLI::IsMember({"mse", "robust"}).description(""))
      ->group("Input");
}

ScoreRule ScoreOption::choose(const ModelFile& model, const Console& console) const {
  ScoreRule rule = score_rule(model);
  if (kind_.empty() || kind_ == name_of(rule.kind)) return rule;
  if (kind_ == name_of(ScoreKind::mse)) return {};
  console.warning(
      "--score robust: the model does not know the total variation of its training images, as "
      "models of train --robust do: images that show almost nothing may come out odd");
  rule.kind = ScoreKind::robust;
  return rule;
}

bool has_scores_by(const ModelFile& model, const ScoreRule& rule) {
  return model.record && model.record->score.kind == rule.kind;
}

ScoreRule score_rule(const ModelFile& model) {
  return model.record ? model.record->score : ScoreRule{};
}

}  // namespace oddity
