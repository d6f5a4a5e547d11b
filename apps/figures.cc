#include "figures.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <string_view>

#include "core/text.h"

namespace oddity {
namespace {

using Json = nlohmann::ordered_json;

std::string threshold_text(const Json& threshold) {
  const auto origin = threshold["origin"].get<std::string>();
  if (origin == "table") return "the table's is_outlier";
  const std::string value = shortest(threshold["value"].get<double>());
  return value + (origin == "option" ? ", given with --threshold" : ", of the run's record");
}

std::string count(const Json& number) { return with_thousands(number.get<int64_t>()); }

std::string figure_text(const Json& figure) {
  if (figure["value"].is_null()) return "not defined: no image is flagged";
  std::string value = fmt::format("{:.4f}", figure["value"].get<double>());
  if (figure["low"].is_null()) return value;
  return fmt::format("{:<8} {:.4f} to {:.4f}", value, figure["low"].get<double>(),
                     figure["high"].get<double>());
}

}  // namespace

Json with_interval(double value, const Interval& interval) {
  const auto number = [](double x) { return std::isfinite(x) ? Json(x) : Json(); };
  return {{"value", number(value)}, {"low", number(interval.low)}, {"high", number(interval.high)}};
}

Json ranking_figures(const Ranking& ranking, const FigureIntervals& intervals) {
  const Figures figures = ranking.figures();
  Json at_n = with_interval(figures.precision_at_n, intervals.precision_at_n);
  at_n["n"] = ranking.anomalies();
  return {
      {"auroc", with_interval(figures.auroc, intervals.auroc)},
      {"average_precision", with_interval(figures.average_precision, intervals.average_precision)},
      {"precision_at_n", at_n},
      {"recall_at_n", at_n},
  };
}

void print_evaluation(const Console& console, const Json& json, const std::string& anomaly_labels) {
  const auto row = [&](std::string_view name, std::string_view value) {
    console.result(fmt::format("{:<20} {}", name, value));
  };
  const auto figure = [&](std::string_view name, const char* key) {
    row(name, figure_text(json[key]));
    for (const Json& baseline : json["against"]) {
      row("  " + baseline["name"].get<std::string>(), figure_text(baseline[key]));
    }
  };
  row("scores", json["scores"].get<std::string>());
  row("images", fmt::format("{} of {}, {} of others", count(json["anomalies"]), anomaly_labels,
                            count(json["others"])));
  for (const Json& baseline : json["against"]) {
    row(baseline["name"].get<std::string>(), baseline["meaning"].get<std::string>());
  }
  const auto replicates = json["bootstrap"]["replicates"].get<uint32_t>();
  if (replicates > 0) {
    row("", fmt::format("{:<8} 95 % interval, {} replicates", "", with_thousands(replicates)));
  }
  const auto n = json["precision_at_n"]["n"].get<uint64_t>();
  figure("AUROC", "auroc");
  figure("average precision", "average_precision");
  figure(fmt::format("precision at {}", n), "precision_at_n");
  figure(fmt::format("recall at {}", n), "recall_at_n");
  const Json& threshold = json["threshold"];
  if (threshold.is_null()) return row("threshold", "none known: give --threshold");
  row("threshold", threshold_text(threshold));
  row("flagged", fmt::format("{}, {} of them anomalies", count(threshold["flagged"]),
                             count(threshold["flagged_anomalies"])));
  row("precision", figure_text(threshold["precision"]));
  row("recall", figure_text(threshold["recall"]));
}

}  // namespace oddity
