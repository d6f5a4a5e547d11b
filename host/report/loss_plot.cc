#include "report/loss_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "report/axis.h"
#include "report/canvas.h"

namespace oddity {
namespace {

// matplotlib's style "ggplot": colours, sizes in points of 1/72 inch, and its default figure. The
// page's unit is 1/100 inch.
constexpr double kPoint = 100.0 / 72;
constexpr double kWidth = 640;
constexpr double kHeight = 480;
constexpr Colour kWhite = colour(0xFFFFFF);
constexpr Colour kBlack = colour(0x000000);
constexpr Colour kPanel = colour(0xE5E5E5);
constexpr Colour kAxisText = colour(0x555555);
constexpr Colour kTrain = colour(0xE24A33);
constexpr Colour kValidation = colour(0x348ABD);
constexpr double kTickSize = 10 * kPoint;
constexpr double kLabelSize = 12 * kPoint;
constexpr double kTitleSize = 14.4 * kPoint;
constexpr double kLegendSize = 10 * kPoint;
constexpr double kGridWidth = 0.8 * kPoint;
constexpr double kCurveWidth = 1.5 * kPoint;
constexpr double kTickLength = 3.5 * kPoint;

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

/// The part of the page between the axes: tick labels of any width find room beside it.
Box panel_of(Canvas& canvas, const Axis& y) {
  constexpr double kTop = 58, kBottom = 64, kRight = 28;
  double labels = 0;
  for (const Tick& tick : y.ticks) {
    labels = std::max(labels, canvas.text_width(tick.label, kTickSize));
  }
  const double left = 18 + kLabelSize + 14 + labels + kTickLength + 5;
  return {left, kTop, kWidth - left - kRight, kHeight - kTop - kBottom};
}

double across(const Box& panel, const Axis& x, double value) {
  return panel.left + x.position(value) * panel.width;
}

double up(const Box& panel, const Axis& y, double value) {
  return panel.bottom() - y.position(value) * panel.height;
}

void draw_axes(Canvas& canvas, const Box& panel, const Axis& x, const Axis& y) {
  // Digits are about this high: half of it centres them on a tick.
  constexpr double kDigitHeight = 0.73 * kTickSize;
  canvas.fill({0, 0, kWidth, kHeight}, kWhite);
  canvas.fill(panel, kPanel);
  for (const Tick& tick : x.ticks) {
    const double at = across(panel, x, tick.value);
    canvas.line({at, panel.top}, {at, panel.bottom()}, kGridWidth, kWhite);
    canvas.line({at, panel.bottom()}, {at, panel.bottom() + kTickLength}, kGridWidth, kAxisText);
    canvas.text(tick.label, {at, panel.bottom() + kTickLength + 5 + kDigitHeight}, kTickSize,
                kAxisText, Align::centre);
  }
  for (const Tick& tick : y.ticks) {
    const double at = up(panel, y, tick.value);
    canvas.line({panel.left, at}, {panel.right(), at}, kGridWidth, kWhite);
    canvas.line({panel.left - kTickLength, at}, {panel.left, at}, kGridWidth, kAxisText);
    canvas.text(tick.label, {panel.left - kTickLength - 5, at + kDigitHeight / 2}, kTickSize,
                kAxisText, Align::right);
  }
  canvas.text(y.multiplier, {panel.left, panel.top - 7}, kTickSize, kAxisText, Align::left);
  canvas.text("Training Loss", {panel.left + panel.width / 2, panel.top - 14}, kTitleSize, kBlack,
              Align::centre);
  canvas.text("Epoch #", {panel.left + panel.width / 2, kHeight - 16}, kLabelSize, kAxisText,
              Align::centre);
  canvas.text_upwards("Loss", {18 + kLabelSize * 0.75, panel.top + panel.height / 2}, kLabelSize,
                      kAxisText, Align::centre);
}

void draw_curve(Canvas& canvas, const Box& panel, const Curve& curve) {
  canvas.curve(curve.points.data(), curve.points.size(), kCurveWidth, curve.colour, panel);
  // A single epoch is a curve without a length.
  if (curve.points.size() == 1) canvas.dot(curve.points[0], 2 * kCurveWidth, curve.colour);
}

/// The length of `curve` that lies within `box`, about.
double hidden_length(const Curve& curve, const Box& box) {
  constexpr double kStep = 1;  // page units
  const auto is_inside = [&](const Point& p) {
    return p.x >= box.left && p.x <= box.right() && p.y >= box.top && p.y <= box.bottom();
  };
  double hidden = is_inside(curve.points[0]) ? kStep : 0;
  for (size_t i = 1; i < curve.points.size(); ++i) {
    const Point& from = curve.points[i - 1];
    const Point& to = curve.points[i];
    const double length = std::hypot(to.x - from.x, to.y - from.y);
    const int steps = static_cast<int>(length / kStep) + 1;
    for (int k = 1; k <= steps; ++k) {
      const double t = static_cast<double>(k) / steps;
      if (is_inside({std::lerp(from.x, to.x, t), std::lerp(from.y, to.y, t)})) {
        hidden += length / steps;
      }
    }
  }
  return hidden;
}

/// Where a legend of this size goes: lower left as in the reference, unless that hides a curve.
Box legend_box(const Box& panel, const std::vector<Curve>& curves, double width, double height) {
  constexpr double kInset = 10;
  constexpr double kClearance = 6;  // a curve this near is hard to read as well
  const double left = panel.left + kInset;
  const double right = panel.right() - kInset - width;
  const double top = panel.top + kInset;
  const double bottom = panel.bottom() - kInset - height;
  const std::array<Point, 4> corners{{{left, bottom}, {right, top}, {right, bottom}, {left, top}}};
  const auto hidden = [&](const Point& corner) {
    const Box around{corner.x - kClearance, corner.y - kClearance, width + 2 * kClearance,
                     height + 2 * kClearance};
    double sum = 0;
    for (const Curve& curve : curves) sum += hidden_length(curve, around);
    return sum;
  };
  const auto best =
      std::min_element(corners.begin(), corners.end(),
                       [&](const Point& a, const Point& b) { return hidden(a) < hidden(b); });
  return {best->x, best->y, width, height};
}

void draw_legend(Canvas& canvas, const Box& panel, const std::vector<Curve>& curves) {
  constexpr double kPadding = 9, kHandle = 28, kGap = 9, kRow = 20;
  double text = 0;
  for (const Curve& curve : curves) {
    text = std::max(text, canvas.text_width(curve.name, kLegendSize));
  }
  const Box box =
      legend_box(panel, curves, kPadding + kHandle + kGap + text + kPadding,
                 2 * kPadding + static_cast<double>(curves.size()) * kRow - (kRow - kLegendSize));
  canvas.frame(box, 4, colour(0xE5E5E5, 0.8), colour(0xCCCCCC));
  double base = box.top + kPadding + 0.8 * kLegendSize;
  for (const Curve& curve : curves) {
    const double middle = base - 0.35 * kLegendSize;
    const double left = box.left + kPadding;
    canvas.line({left, middle}, {left + kHandle, middle}, kCurveWidth, curve.colour);
    canvas.text(curve.name, {left + kHandle + kGap, base}, kLegendSize, kBlack, Align::left);
    base += kRow;
  }
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
  std::vector<Curve> curves{{"train_loss", kTrain, loss, {}}};
  if (!validation_loss.empty()) {
    if (validation_loss.size() != loss.size()) {
      throw Error("{}: {} epochs of loss do not match {} of validation loss", printable(path),
                  loss.size(), validation_loss.size());
    }
    curves.push_back({"val_loss", kValidation, validation_loss, {}});
  }
  for (const Curve& curve : curves) check_curve(path, curve);

  const Axis x = epoch_axis(loss.size());
  const Axis y = axis_of(curves);
  Canvas canvas(path.extension() == ".svg" ? PictureFormat::svg : PictureFormat::png, kWidth,
                kHeight);
  const Box panel = panel_of(canvas, y);
  draw_axes(canvas, panel, x, y);
  for (Curve& curve : curves) {
    for (size_t i = 0; i < curve.values.size(); ++i) {
      curve.points.push_back(
          {across(panel, x, static_cast<double>(i + 1)), up(panel, y, curve.values[i])});
    }
    draw_curve(canvas, panel, curve);
  }
  draw_legend(canvas, panel, curves);
  canvas.save(path);
}

}  // namespace oddity
