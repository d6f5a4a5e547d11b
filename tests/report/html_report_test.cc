// The page: what it says, and that nothing that it quotes can become part of it.
#include "report/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <regex>
#include <string>

#include "core/error.h"
#include "files/atomic_file.h"
#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ReportImage image(const std::string& name, float score, uint32_t side = 8) {
  ReportImage image{name,
                    score,
                    "",
                    Picture(side, side, 1, 40),
                    Picture(side, side, 1, 80),
                    Picture(side, side, 3, 120)};
  // Noise does not compress.
  uint32_t state = 1;
  for (Picture* picture : {&image.original, &image.reconstruction, &image.errors}) {
    for (uint8_t& pixel : picture->pixels) {
      state = state * 1664525 + 1013904223;
      pixel = static_cast<uint8_t>(state >> 24);
    }
  }
  return image;
}

Report report() {
  Report report;
  report.title = "crops";
  report.outliers = 1;
  report.threshold = 0.029;
  report.threshold_origin = "quantile 0.999 of these scores";
  report.facts = {{"Model", "a.h5"}};
  for (int i = 0; i < 6808; ++i) report.scores.add(0.001f);
  report.scores.add(0.04f);
  report.odd = {image("odd.png", 0.04f)};
  report.typical = {image("usual.png", 0.001f)};
  report.command = {"oddity", "find"};
  report.version = "1.2.3";
  return report;
}

std::string page(const Report& report) {
  const TemporaryFolder folder;
  write_report(folder / "report.html", report);
  return read_file(folder / "report.html", size_t{1} << 26);
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(HtmlReport, SaysWhatWasFound) {
  const std::string html = page(report());
  EXPECT_THAT(html, AllOf(HasSubstr("<b>1 of 6,809 images</b> score 0.029 or more"),
                          HasSubstr("quantile 0.999 of these scores"), HasSubstr("odd.png"),
                          HasSubstr("1.38 × threshold"), HasSubstr("usual.png"),
                          HasSubstr("oddity find"), HasSubstr("a.h5")));
  EXPECT_EQ(count(html, "data:image/png;base64,"), 6u);
  EXPECT_THAT(html, Not(HasSubstr("Just below")));
  EXPECT_THAT(html, Not(HasSubstr("Without a score")));
  EXPECT_THAT(html, Not(HasSubstr("{{")));
}

TEST(HtmlReport, WithoutOutliersOrScoresItSaysSo) {
  Report none = report();
  none.outliers = 0;
  none.odd.clear();
  EXPECT_THAT(page(none), HasSubstr("<b>None of 6,809 images</b> score 0.029 or more"));
  none.threshold = std::numeric_limits<double>::infinity();
  EXPECT_THAT(page(none), HasSubstr("<b>None of 6,809 images</b> is flagged"));
  none.why_none = "No threshold reaches the rate";
  none.borderline = none.typical;
  EXPECT_THAT(page(none), AllOf(HasSubstr("<p>No threshold reaches the rate. A score is"),
                                HasSubstr("The highest scores"), HasSubstr("where they differ"),
                                Not(HasSubstr("Just below"))));
  none.scores = {};
  none.problems = {{"truncated", 6809, {}}};
  none.threshold = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(page(none), HasSubstr("<b>None of 6,809 images</b> could be scored"));
}

TEST(HtmlReport, TheTextRoundsTheThreshold) {
  Report exact = report();
  exact.threshold = 0.029021083116531378;
  exact.advice = "it is of few scores";
  EXPECT_THAT(page(exact), AllOf(HasSubstr("The threshold is 0.02902: quantile 0.999 of these "
                                           "scores. Note: it is of few scores. A score is"),
                                 Not(HasSubstr("0.029021"))));
}

TEST(HtmlReport, AllPicturesAreExplainedOnce) {
  Report both = report();
  both.borderline = both.typical;
  EXPECT_EQ(count(page(both), "its reconstruction, and where they differ"), 1u);
  both.odd.clear();
  EXPECT_EQ(count(page(both), "its reconstruction, and where they differ"), 1u);
}

TEST(HtmlReport, FilesWithoutAScoreAreListedByReason) {
  Report bad = report();
  bad.problems = {{"truncated", 3, {{"a.png", "ends early"}, {"b.png", "ends early"}}},
                  {"vanished", 1, {{"c.png", "is gone"}}}};
  EXPECT_THAT(page(bad), AllOf(HasSubstr("4 files could not be used"), HasSubstr("3 truncated"),
                               HasSubstr("a.png"), HasSubstr("and 1 more"), HasSubstr("is gone")));
}

TEST(HtmlReport, NamesAreTextWhateverTheyHold) {
  const std::string hostile =
      "<script>alert(1)</script>\"'&<!--{{title}}{{{x}}}\n\xff\xe2\x80\xae</style></figure>";
  Report evil = report();
  evil.odd = {image(hostile, 0.04f)};
  evil.odd[0].note = hostile;
  evil.title = evil.threshold_origin = hostile;
  evil.facts = {{"Model", hostile}};
  evil.command = {hostile};
  evil.problems = {{"truncated", 1, {{hostile, hostile}}}};
  const std::string html = page(evil);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<!--")));
  EXPECT_THAT(html, AllOf(HasSubstr("&lt;script&gt;"), HasSubstr("{{title}}"), HasSubstr("\\x0a"),
                          HasSubstr("\\xff")));
  EXPECT_EQ(count(html, "</style>"), 1u);
  EXPECT_EQ(count(html, "</figure>"), 2u);
  for (const char c : html) ASSERT_TRUE(c == '\n' || static_cast<uint8_t>(c) >= 0x20);
}

TEST(HtmlReport, FetchesNothingAndRunsNothing) {
  const std::string html = page(report());
  EXPECT_THAT(html, HasSubstr("default-src 'none'; img-src data:; style-src 'unsafe-inline'"));
  EXPECT_FALSE(
      std::regex_search(html, std::regex("(src|href)=\"(?!data:)|url\\(|@import|https?:")));
}

TEST(HtmlReport, ManyLargePicturesAreShrunkToAFewMegabytes) {
  Report large = report();
  large.odd.assign(200, image("odd.png", 0.04f, 160));
  EXPECT_LT(page(large).size(), size_t{5} << 20);
}

TEST(HtmlReport, TheSameReportGivesTheSameBytes) { EXPECT_EQ(page(report()), page(report())); }

TEST(HtmlReport, WhereItCannotBeWritten) {
  EXPECT_THAT(error_text<Error>([] { write_report("/nowhere/report.html", report()); }),
              HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace oddity::test
