#include "report/curves_plot.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "report/axis.h"
#include "report/canvas.h"
#include "report/legend.h"
#include "report/loss_plot.h"
#include "report/panel.h"

namespace oddity {
namespace {

constexpr double kPanelSize = 400;  // of both, in hundredths of an inch: rates are drawn square
constexpr Colour kChance = colour(0x777777);
constexpr std::array kOthers{colour(0x988ED5), colour(0x8EBA42)};

double share(uint64_t part, uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

/// A panel whose axes show 0 to 1, with what is drawn on it.
class RatePanel {
 public:
  RatePanel(Canvas& canvas, double left, const PanelTexts& texts)
      : canvas_(canvas), axis_(value_axis(0, 1)) {
    const PanelMargins margins = panel_margins(canvas, axis_);
    panel_ = {left + margins.left, margins.top, kPanelSize, kPanelSize};
    draw_panel(canvas, panel_, margins, axis_, axis_, texts);
  }

  /// Width of the page that a panel takes, and its height.
  static Point size(Canvas& canvas) {
    const PanelMargins margins = panel_margins(canvas, value_axis(0, 1));
    return {margins.left + kPanelSize + margins.right, margins.top + kPanelSize + margins.bottom};
  }

  /// `rates` are from left to right. Points closer than the eye tells apart are one: a curve of a
  /// million images has no more than the page can show.
  void draw_curve(const std::vector<Point>& rates, const std::string& name, Colour colour) {
    constexpr double kVisible = 0.1;  // page units
    std::vector<Point> points;
    for (size_t i = 0; i < rates.size(); ++i) {
      const Point at = on_page(rates[i]);
      if (i == 0 || i + 1 == rates.size() ||
          std::hypot(at.x - points.back().x, at.y - points.back().y) >= kVisible) {
        points.push_back(at);
      }
    }
    canvas_.curve(points.data(), points.size(), kCurveWidth, colour, panel_);
    rows_.push_back({name, colour});
    curves_.push_back(std::move(points));
  }

  void draw_dot(const Point& rates, const std::string& name) {
    const Point at = on_page(rates);
    constexpr double kRadius = 2 * kCurveWidth;
    canvas_.dot(at, kRadius, kBlack);
    rows_.push_back({name, kBlack, LegendRow::Mark::dot});
    curves_.push_back({{at.x - kRadius, at.y}, {at.x + kRadius, at.y}});
  }

  void draw_legend() {
    const std::vector<std::span<const Point>> curves(curves_.begin(), curves_.end());
    oddity::draw_legend(canvas_, panel_, rows_, curves);
  }

 private:
  Point on_page(const Point& rates) const {
    return {across(panel_, axis_, rates.x), up(panel_, axis_, rates.y)};
  }

  Canvas& canvas_;
  Axis axis_;
  Box panel_{};
  std::vector<LegendRow> rows_;
  std::vector<std::vector<Point>> curves_;  // on the page
};

std::vector<Point> roc_curve(const Ranking& ranking) {
  std::vector<Point> points;
  for (const Ranking::Step& step : ranking.steps()) {
    points.push_back(
        {share(step.others, ranking.others()), share(step.anomalies, ranking.anomalies())});
  }
  return points;
}

/// Two points a step: precision holds back to the recall before.
std::vector<Point> precision_curve(const Ranking& ranking) {
  std::vector<Point> points;
  double recall = 0;
  for (const Ranking::Step& step : ranking.steps()) {
    if (step.anomalies + step.others == 0) continue;
    const double precision = share(step.anomalies, step.anomalies + step.others);
    points.push_back({recall, precision});
    recall = share(step.anomalies, ranking.anomalies());
    points.push_back({recall, precision});
  }
  return points;
}

}  // namespace

void write_curves_plot(const std::filesystem::path& path, const Ranking& ranking,
                       ThresholdPoint threshold, std::span<const OtherCurves> others) {
  check_plot_suffix(path);
  if (others.size() > kOthers.size()) {
    throw ArgumentError("{} other curves: at most {} are drawn", others.size(), kOthers.size());
  }
  const auto format = path.extension() == ".svg" ? PictureFormat::svg : PictureFormat::png;
  Canvas measure(format, 1, 1);
  const Point panel = RatePanel::size(measure);
  Canvas canvas(format, 2 * panel.x, panel.y);
  canvas.fill({0, 0, 2 * panel.x, panel.y}, kWhite);

  const Figures figures = ranking.figures();
  const bool has_dot = threshold == ThresholdPoint::shown &&
                       ranking.flagged_anomalies() + ranking.flagged_others() > 0;
  RatePanel roc(canvas, 0, {"ROC", "False positive rate", "True positive rate"});
  roc.draw_curve({{0, 0}, {1, 1}}, "chance, area 0.5", kChance);
  for (size_t i = 0; i < others.size(); ++i) {
    roc.draw_curve(
        roc_curve(*others[i].ranking),
        fmt::format("{}, area {:.4f}", others[i].name, others[i].ranking->figures().auroc),
        kOthers[i]);
  }
  roc.draw_curve(roc_curve(ranking), fmt::format("scores, area {:.4f}", figures.auroc),
                 kFirstCurve);
  if (has_dot) {
    roc.draw_dot({share(ranking.flagged_others(), ranking.others()), figures.recall}, "threshold");
  }
  roc.draw_legend();

  const double anomaly_share = share(ranking.anomalies(), ranking.size());
  RatePanel precision(canvas, panel.x, {"Precision and recall", "Recall", "Precision"});
  precision.draw_curve({{0, anomaly_share}, {1, anomaly_share}},
                       fmt::format("chance, area {:.4f}", anomaly_share), kChance);
  for (size_t i = 0; i < others.size(); ++i) {
    precision.draw_curve(precision_curve(*others[i].ranking),
                         fmt::format("{}, area {:.4f}", others[i].name,
                                     others[i].ranking->figures().average_precision),
                         kOthers[i]);
  }
  precision.draw_curve(precision_curve(ranking),
                       fmt::format("scores, area {:.4f}", figures.average_precision), kSecondCurve);
  if (has_dot) precision.draw_dot({figures.recall, figures.precision}, "threshold");
  precision.draw_legend();
  canvas.save(path);
}

}  // namespace oddity
