#include "report/legend.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "report/panel.h"

namespace oddity {
namespace {

/// The length of `curve` that lies within `box`, about.
double hidden_length(std::span<const Point> curve, const Box& box) {
  constexpr double kStep = 1;  // page units
  const auto is_inside = [&](const Point& p) {
    return p.x >= box.left && p.x <= box.right() && p.y >= box.top && p.y <= box.bottom();
  };
  double hidden = is_inside(curve[0]) ? kStep : 0;
  for (size_t i = 1; i < curve.size(); ++i) {
    const Point& from = curve[i - 1];
    const Point& to = curve[i];
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

Box legend_box(const Box& panel, const std::vector<std::span<const Point>>& curves, double width,
               double height) {
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
    for (const auto& curve : curves) sum += hidden_length(curve, around);
    return sum;
  };
  const auto best =
      std::min_element(corners.begin(), corners.end(),
                       [&](const Point& a, const Point& b) { return hidden(a) < hidden(b); });
  return {best->x, best->y, width, height};
}

}  // namespace

void draw_legend(Canvas& canvas, const Box& panel, const std::vector<LegendRow>& rows,
                 const std::vector<std::span<const Point>>& curves) {
  constexpr double kPadding = 9, kHandle = 28, kGap = 9, kRow = 20;
  double text = 0;
  for (const LegendRow& row : rows) {
    text = std::max(text, canvas.text_width(row.name, kLegendSize));
  }
  const Box box =
      legend_box(panel, curves, kPadding + kHandle + kGap + text + kPadding,
                 2 * kPadding + static_cast<double>(rows.size()) * kRow - (kRow - kLegendSize));
  canvas.frame(box, 4, colour(0xE5E5E5, 0.8), colour(0xCCCCCC));
  double base = box.top + kPadding + 0.8 * kLegendSize;
  for (const LegendRow& row : rows) {
    const double middle = base - 0.35 * kLegendSize;
    const double left = box.left + kPadding;
    if (row.mark == LegendRow::Mark::line) {
      canvas.line({left, middle}, {left + kHandle, middle}, kCurveWidth, row.colour);
    } else {
      canvas.dot({left + kHandle / 2, middle}, 2 * kCurveWidth, row.colour);
    }
    canvas.text(row.name, {left + kHandle + kGap, base}, kLegendSize, kBlack, Align::left);
    base += kRow;
  }
}

}  // namespace oddity
