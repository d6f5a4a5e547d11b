// The box that names the curves of a plot.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/canvas.h"

namespace oddity {

struct LegendRow {
  enum class Mark { line, dot };
  std::string name;
  Colour colour;
  Mark mark = Mark::line;
};

/// Draws a row for each of `rows` into a corner of `panel`: the lower left, as matplotlib's plots
/// of this kind have it, unless it would hide more of `curves` there, which lie on the page.
void draw_legend(Canvas& canvas, const Box& panel, const std::vector<LegendRow>& rows,
                 const std::vector<std::span<const Point>>& curves);

}  // namespace oddity
