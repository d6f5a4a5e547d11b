#include "report/loss_plot.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "report/axis.h"
#include "report/canvas.h"
#include "report/legend.h"
#include "report/panel.h"

namespace oddity {
namespace {

// matplotlib's default figure, in hundredths of an inch.
constexpr double kWidth = 640;
constexpr double kHeight = 480;

struct Curve {
  std::string_view name;
  Colour colour;
  std::span<const double> values;
  std::vector<Point> points;  // on the page
};

void check_curve(const std::filesystem::path& path, const Curve& curve) {
  for (size_t i = 0; i < curve.values.size(); ++i) {
    if (!(std::abs(curve.values[i]) <= kLargestOnAxis)) {
      throw Error("{}: cannot plot the {} of epoch {}: it is {}", printable(path), curve.name,
                  i + 1, shortest(curve.values[i]));
    }
  }
}

Axis axis_of(const std::vector<Curve>& curves) {
  double smallest = curves[0].values[0];
  double largest = smallest;
  for (const Curve& curve : curves) {
    const auto [low, high] = std::minmax_element(curve.values.begin(), curve.values.end());
    smallest = std::min(smallest, *low);
    largest = std::max(largest, *high);
  }
  return value_axis(smallest, largest);
}

void draw_curve(Canvas& canvas, const Box& panel, const Curve& curve) {
  canvas.curve(curve.points.data(), curve.points.size(), kCurveWidth, curve.colour, panel);
  // A single epoch is a curve without a length.
  if (curve.points.size() == 1) canvas.dot(curve.points[0], 2 * kCurveWidth, curve.colour);
}

}  // namespace

void check_plot_suffix(const std::filesystem::path& path) {
  const auto suffix = path.extension();
  if (suffix != ".png" && suffix != ".svg") {
    throw ArgumentError("{}: plots are written as .png or .svg, not \"{}\"", printable(path),
                        printable(suffix));
  }
}

void write_loss_plot(const std::filesystem::path& path, std::span<const double> loss,
                     std::span<const double> validation_loss) {
  check_plot_suffix(path);
  if (loss.empty()) throw Error("{}: there is no epoch to plot", printable(path));
  std::vector<Curve> curves{{"train_loss", kFirstCurve, loss, {}}};
  if (!validation_loss.empty()) {
    if (validation_loss.size() != loss.size()) {
      throw Error("{}: {} epochs of loss do not match {} of validation loss", printable(path),
                  loss.size(), validation_loss.size());
    }
    curves.push_back({"val_loss", kSecondCurve, validation_loss, {}});
  }
  for (const Curve& curve : curves) check_curve(path, curve);

  const Axis x = epoch_axis(loss.size());
  const Axis y = axis_of(curves);
  Canvas canvas(path.extension() == ".svg" ? PictureFormat::svg : PictureFormat::png, kWidth,
                kHeight);
  canvas.fill({0, 0, kWidth, kHeight}, kWhite);
  const PanelMargins margins = panel_margins(canvas, y);
  const Box panel{margins.left, margins.top, kWidth - margins.left - margins.right,
                  kHeight - margins.top - margins.bottom};
  draw_panel(canvas, panel, margins, x, y, {"Training Loss", "Epoch #", "Loss"});
  for (Curve& curve : curves) {
    for (size_t i = 0; i < curve.values.size(); ++i) {
      curve.points.push_back(
          {across(panel, x, static_cast<double>(i + 1)), up(panel, y, curve.values[i])});
    }
    draw_curve(canvas, panel, curve);
  }
  std::vector<LegendRow> rows;
  std::vector<std::span<const Point>> on_page;
  for (const Curve& curve : curves) {
    rows.push_back({std::string(curve.name), curve.colour});
    on_page.emplace_back(curve.points);
  }
  draw_legend(canvas, panel, rows, on_page);
  canvas.save(path);
}

}  // namespace oddity
