// What oddity evaluate says: the figures of rankings as JSON, and that as text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "console.h"
#include "detect/bootstrap.h"
#include "detect/metrics.h"

namespace oddity {

/// {"value", "low", "high"} of a figure and its interval; null where they are not defined.
nlohmann::ordered_json with_interval(double value, const Interval& interval);

/// The figures that take no threshold: auroc, average_precision, precision_at_n and, the same,
/// recall_at_n, each with its interval, the last two also with n.
nlohmann::ordered_json ranking_figures(const Ranking& ranking, const FigureIntervals& intervals);

/// `json` is what evaluate --json prints; a baseline's figures stand below those of the scores.
void print_evaluation(const Console& console, const nlohmann::ordered_json& json,
                      const std::string& anomaly_labels);

}  // namespace oddity
