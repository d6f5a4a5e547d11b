#include "report/curves_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "core/error.h"
#include "files/atomic_file.h"
#include "support/decoded_png.h"
#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr uint32_t kRoc = 0xE24A33;
constexpr uint32_t kPrecision = 0x348ABD;
constexpr uint32_t kChance = 0x777777;
constexpr uint32_t kPanel = 0xE5E5E5;
constexpr size_t kLimit = 1 << 24;

/// Anomalies that score higher, but not all; the highest are flagged.
Ranking ranking(size_t count = 200) {
  std::vector<JudgedScore> scores;
  for (size_t i = 0; i < count; ++i) {
    const bool is_anomaly = i % 10 == 0;
    scores.push_back({static_cast<double>(i * 7919 % count) +
                          (is_anomaly ? 0.7 : 0) * static_cast<double>(count),
                      is_anomaly});
  }
  for (JudgedScore& image : scores) {
    image.is_flagged = image.score > 1.55 * static_cast<double>(count);
  }
  return Ranking(scores);
}

DecodedPng plot(const Ranking& scores, ThresholdPoint threshold) {
  const TemporaryFolder folder;
  write_curves_plot(folder / "curves.png", scores, threshold);
  return read_png(folder / "curves.png");
}

/// Pixels of exactly this colour in one half of the picture.
enum class Half { left, right };
size_t count(const DecodedPng& png, uint32_t rgb, Half half) {
  const uint32_t begin = half == Half::left ? 0 : png.width / 2;
  size_t sum = 0;
  for (uint32_t y = 0; y < png.height; ++y) {
    for (uint32_t x = begin; x < begin + png.width / 2; ++x) sum += png.rgb(x, y) == rgb;
  }
  return sum;
}

TEST(CurvesPlot, ShowsBothCurvesSideBySide) {
  const DecodedPng png = plot(ranking(), ThresholdPoint::none);
  EXPECT_GT(png.width, 9 * png.height / 5);
  EXPECT_EQ(png.rgb(0, 0), 0xFFFFFFu);
  for (const Half half : {Half::left, Half::right}) {
    EXPECT_GT(count(png, kPanel, half), 300000u);
    EXPECT_GT(count(png, kChance, half), 300u);
  }
  EXPECT_GT(count(png, kRoc, Half::left), 1000u);
  EXPECT_EQ(count(png, kRoc, Half::right), 0u);
  EXPECT_GT(count(png, kPrecision, Half::right), 1000u);
  EXPECT_EQ(count(png, kPrecision, Half::left), 0u);
}

TEST(CurvesPlot, ShowsTheThresholdWhereThereIsOne) {
  const DecodedPng without = plot(ranking(), ThresholdPoint::none);
  const DecodedPng with = plot(ranking(), ThresholdPoint::shown);
  for (const Half half : {Half::left, Half::right}) {
    EXPECT_GT(count(with, 0x000000, half), count(without, 0x000000, half) + 100);
  }
  std::vector<JudgedScore> nothing_flagged{{2, true}, {1, false}};
  EXPECT_EQ(plot(Ranking(nothing_flagged), ThresholdPoint::shown).pixels,
            plot(Ranking(nothing_flagged), ThresholdPoint::none).pixels);
}

TEST(CurvesPlot, GivesTheSameBytes) {
  const TemporaryFolder folder;
  write_curves_plot(folder / "a.svg", ranking(), ThresholdPoint::shown);
  write_curves_plot(folder / "b.svg", ranking(), ThresholdPoint::shown);
  const std::string svg = read_file(folder / "a.svg", kLimit);
  EXPECT_EQ(read_file(folder / "b.svg", kLimit), svg) << "the same bytes";
}

// A picture does not grow with the images, beyond what can be seen.
TEST(CurvesPlot, OfManyImagesIsNoLarger) {
  const TemporaryFolder folder;
  write_curves_plot(folder / "many.svg", ranking(300000), ThresholdPoint::shown);
  EXPECT_LT(std::filesystem::file_size(folder / "many.svg"), 2000000u);
}

TEST(CurvesPlot, NamesWhatItCannotWrite) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_text<ArgumentError>(
                  [&] { write_curves_plot(folder / "a.pdf", ranking(), ThresholdPoint::none); }),
              AllOf(HasSubstr("a.pdf"), HasSubstr(".png or .svg")));
  EXPECT_THAT(error_text<Error>([&] {
                write_curves_plot(folder / "none" / "a.png", ranking(), ThresholdPoint::none);
              }),
              HasSubstr("none does not exist"));
}

}  // namespace
}  // namespace oddity::test
