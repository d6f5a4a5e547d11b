// Charts as SVG: what is drawn where.
#include "report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ScoreHistogram histogram(const std::vector<float>& scores) {
  ScoreHistogram histogram;
  for (const float score : scores) histogram.add(score);
  return histogram;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(HistogramSvg, OneBarForEachBinThatHoldsAnything) {
  const std::string svg = histogram_svg(histogram({0.001f, 0.001f, 0.01f, 0.05f}), {}, 0.02);
  EXPECT_EQ(count(svg, "class=\"run\""), 2u);
  EXPECT_EQ(count(svg, "class=\"flagged\""), 1u);
  EXPECT_EQ(count(svg, "class=\"threshold\""), 1u);
  EXPECT_EQ(count(svg, "class=\"training\""), 0u);
  EXPECT_THAT(svg, AllOf(HasSubstr(">0.001<"), HasSubstr(">0.01<")));
}

TEST(HistogramSvg, TheTrainingSetIsAnOutline) {
  EXPECT_EQ(count(histogram_svg(histogram({0.01f}), histogram({0.001f, 0.02f}), 0.02),
                  "class=\"training\""),
            1u);
}

TEST(HistogramSvg, WithoutScoresThereIsNone) { EXPECT_EQ(histogram_svg({}, {}, 0.1), ""); }

TEST(HistogramSvg, NoThresholdWhereItCannotBeDrawn) {
  for (const double threshold : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                                 std::numeric_limits<double>::quiet_NaN(), 1e9}) {
    const std::string svg = histogram_svg(histogram({0.001f, 0.01f}), {}, threshold);
    EXPECT_EQ(count(svg, "class=\"threshold\""), 0u) << threshold;
    EXPECT_EQ(count(svg, "rect"), 2u) << threshold;
    EXPECT_THAT(svg, Not(HasSubstr("nan"))) << threshold;
    EXPECT_THAT(svg, Not(HasSubstr("inf"))) << threshold;
  }
}

TEST(HistogramSvg, AllScoresEqualOrZero) {
  for (const float score : {0.0f, 0.01f}) {
    const std::string svg = histogram_svg(histogram({score, score}), {}, 0.01);
    EXPECT_GE(count(svg, "rect"), 1u);
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
  }
}

TEST(LossSvg, ACurveForEachSeries) {
  const std::vector<double> loss = {0.04, 0.01, 0.003}, validation = {0.05, 0.02, 0.004};
  const std::string svg = loss_svg(loss, validation);
  EXPECT_EQ(count(svg, "class=\"loss\""), 1u);
  EXPECT_EQ(count(svg, "class=\"validation\""), 1u);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_EQ(count(loss_svg(loss, {}), "class=\"validation\""), 0u);
  EXPECT_EQ(loss_svg({}, {}), "");
}

TEST(LossSvg, OneEpochIsADot) {
  const std::vector<double> loss = {0.04};
  EXPECT_THAT(loss_svg(loss, loss), HasSubstr("h0\""));
}

}  // namespace
}  // namespace oddity::test
