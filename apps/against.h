// oddity evaluate --against: the baselines that scores are held against.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "console.h"
#include "data/dataset.h"

namespace oddity {

/// A baseline's scores of all images of a set, the higher the odder.
struct BaselineScores {
  std::string name;       // as it was asked for
  std::string size_name;  // what the baseline has so many of, for JSON: "components"
  size_t size = 0;
  std::string meaning;  // what the scores are
  std::vector<double> scores;
};

/// --against, with what each baseline is.
CLI::Option* add_against(CLI::App& command, std::vector<std::string>& names);

/// Throws ArgumentError where a name is there twice, or a baseline is asked for without a data set.
void check_against(const std::vector<std::string>& names, bool has_dataset);

/// Scores of all images of `dataset`, in the order of `names`. Stops on Ctrl-C. Throws Error where
/// the set is too small for a baseline.
std::vector<BaselineScores> baseline_scores(const Console& console,
                                            const std::vector<std::string>& names,
                                            const Dataset& dataset, int threads);

}  // namespace oddity
