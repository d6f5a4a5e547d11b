#include "report/panel.h"

#include <algorithm>

namespace oddity {

PanelMargins panel_margins(Canvas& canvas, const Axis& y) {
  double labels = 0;
  for (const Tick& tick : y.ticks) {
    labels = std::max(labels, canvas.text_width(tick.label, kTickSize));
  }
  return {.left = kPageMargin + kLabelSize + 14 + labels + kTickLength + 5};
}

double across(const Box& panel, const Axis& x, double value) {
  return panel.left + x.position(value) * panel.width;
}

double up(const Box& panel, const Axis& y, double value) {
  return panel.bottom() - y.position(value) * panel.height;
}

void draw_panel(Canvas& canvas, const Box& panel, const PanelMargins& margins, const Axis& x,
                const Axis& y, const PanelTexts& texts) {
  // Digits are about this high: half of it centres them on a tick.
  constexpr double kDigitHeight = 0.73 * kTickSize;
  canvas.fill(panel, kPanelColour);
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
  const double middle = panel.left + panel.width / 2;
  canvas.text(y.multiplier, {panel.left, panel.top - 7}, kTickSize, kAxisText, Align::left);
  canvas.text(texts.title, {middle, panel.top - 14}, kTitleSize, kBlack, Align::centre);
  canvas.text(texts.x, {middle, panel.bottom() + margins.bottom - 16}, kLabelSize, kAxisText,
              Align::centre);
  canvas.text_upwards(
      texts.y,
      {panel.left - margins.left + kPageMargin + kLabelSize * 0.75, panel.top + panel.height / 2},
      kLabelSize, kAxisText, Align::centre);
}

}  // namespace oddity
