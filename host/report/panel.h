// The part of a plot between its axes, in the look of matplotlib's style "ggplot".
#pragma once

#include <string_view>

#include "report/axis.h"
#include "report/canvas.h"

namespace oddity {

// That style's colours and sizes, given in points of 1/72 inch; a canvas' unit is 1/100 inch.
inline constexpr double kPoint = 100.0 / 72;
inline constexpr Colour kWhite = colour(0xFFFFFF);
inline constexpr Colour kBlack = colour(0x000000);
inline constexpr Colour kPanelColour = colour(0xE5E5E5);
inline constexpr Colour kAxisText = colour(0x555555);
inline constexpr Colour kFirstCurve = colour(0xE24A33);
inline constexpr Colour kSecondCurve = colour(0x348ABD);
inline constexpr double kTickSize = 10 * kPoint;
inline constexpr double kLabelSize = 12 * kPoint;
inline constexpr double kTitleSize = 14.4 * kPoint;
inline constexpr double kLegendSize = 10 * kPoint;
inline constexpr double kGridWidth = 0.8 * kPoint;
inline constexpr double kCurveWidth = 1.5 * kPoint;
inline constexpr double kTickLength = 3.5 * kPoint;
inline constexpr double kPageMargin = 18;  // outside of labels

/// Room for a panel and the texts around it, left to its own width and height.
struct PanelMargins {
  double left, top = 58, right = 28, bottom = 64;
};

/// The left margin finds room for tick labels of any width.
PanelMargins panel_margins(Canvas& canvas, const Axis& y);

/// Where a value lies on the page.
double across(const Box& panel, const Axis& x, double value);
double up(const Box& panel, const Axis& y, double value);

struct PanelTexts {
  std::string_view title, x, y;
};

/// Draws panel, grid, ticks and texts, with these margins around the panel.
void draw_panel(Canvas& canvas, const Box& panel, const PanelMargins& margins, const Axis& x,
                const Axis& y, const PanelTexts& texts);

}  // namespace oddity
