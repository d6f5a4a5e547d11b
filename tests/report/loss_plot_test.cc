#include "report/loss_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
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

constexpr uint32_t kTrain = 0xE24A33;
constexpr uint32_t kValidation = 0x348ABD;
constexpr uint32_t kPanel = 0xE5E5E5;
constexpr size_t kLimit = 1 << 24;

/// Losses that fall, as in the reference's run.
const std::vector<double> kLoss{.041,  .0102, .0042, .0032, .0028,
                                .0025, .0022, .0020, .0018, .0017};
const std::vector<double> kValidationLoss{.039,  .021,  .009,  .0031, .0029,
                                          .0026, .0024, .0022, .0021, .0020};

DecodedPng plot(const std::vector<double>& loss, const std::vector<double>& validation_loss) {
  const TemporaryFolder folder;
  write_loss_plot(folder / "plot.png", loss, validation_loss);
  return read_png(folder / "plot.png");
}

/// Pixels of exactly this colour in the columns [left, right) of the rows [top, bottom).
size_t count(const DecodedPng& png, uint32_t rgb, uint32_t left, uint32_t top, uint32_t right,
             uint32_t bottom) {
  size_t sum = 0;
  for (uint32_t y = top; y < bottom; ++y) {
    for (uint32_t x = left; x < right; ++x) sum += png.rgb(x, y) == rgb;
  }
  return sum;
}

size_t count(const DecodedPng& png, uint32_t rgb) {
  return count(png, rgb, 0, 0, png.width, png.height);
}

/// A corner of the panel, about as large as a legend.
enum class Corner { lower_left, upper_right, lower_right, upper_left };

/// Whether the two handles of the legend, horizontal lines of about 56 pixels, lie in that corner.
bool has_legend(const DecodedPng& png, Corner corner) {
  const bool is_left = corner == Corner::lower_left || corner == Corner::upper_left;
  const bool is_upper = corner == Corner::upper_right || corner == Corner::upper_left;
  const uint32_t left = is_left ? 170 : 930;
  const uint32_t top = is_upper ? 120 : 700;
  const auto has_handle = [&](uint32_t rgb) {
    for (uint32_t y = top; y < top + 130; ++y) {
      const size_t length = count(png, rgb, left, y, left + 280, y + 1);
      if (length >= 54 && length <= 56) return true;
    }
    return false;
  };
  return has_handle(kTrain) && has_handle(kValidation);
}

TEST(LossPlot, HasTheLookOfTheReference) {
  const DecodedPng png = plot(kLoss, kValidationLoss);
  EXPECT_EQ(png.width, 1280u);
  EXPECT_EQ(png.height, 960u);
  EXPECT_EQ(png.rgb(0, 0), 0xFFFFFFu) << "a white page";
  EXPECT_GT(count(png, kPanel), 500000u) << "a grey panel";
  EXPECT_GT(count(png, kTrain), 1000u);
  EXPECT_GT(count(png, kValidation), 1000u);
  EXPECT_GT(count(png, 0x000000), 100u) << "the title";
  EXPECT_GT(count(png, 0x555555), 100u) << "labels";
}

TEST(LossPlot, PutsTheLegendWhereItHidesNothing) {
  EXPECT_TRUE(has_legend(plot(kLoss, kValidationLoss), Corner::upper_right))
      << "the curves lie along the bottom";
  const std::vector<double> high{5, 4.9, 5.1, 5, 0.5};
  EXPECT_TRUE(has_legend(plot(high, high), Corner::lower_left)) << "as the reference, if it can";
  const std::vector<double> rising{.01, .03, .04, .045, .047};
  EXPECT_TRUE(has_legend(plot(rising, rising), Corner::lower_right));
  const std::vector<double> along_the_bottom{0, 0, 0, 0, 0, 0};
  EXPECT_TRUE(has_legend(plot({0, 0, 0, 0, 0, 1}, along_the_bottom), Corner::upper_left))
      << "upper right is taken by the last epoch";
}

TEST(LossPlot, DrawsOneEpochAsDots) {
  const DecodedPng png = plot({.041}, {.039});
  // The dots lie on the middle of the panel, above and below each other.
  EXPECT_GT(count(png, kTrain, 600, 110, 900, 480), 50u);
  EXPECT_GT(count(png, kValidation, 600, 480, 900, 830), 50u);
}

TEST(LossPlot, CopesWithAnyRange) {
  std::vector<double> wide, loss;
  for (int i = 0; i < 200; ++i) {
    wide.push_back(std::pow(10, 4 - i * .05));
    loss.push_back(.25 * std::exp(-i / 9.0) + .001);
  }
  for (const auto& values :
       {wide, loss, std::vector<double>(20, .25), std::vector<double>(20, 0.0),
        std::vector<double>{1e300, 1e-300}, std::vector<double>{1, 1 + 1e-15}}) {
    const DecodedPng png = plot(values, {});
    EXPECT_GT(count(png, kTrain), 1000u);
    EXPECT_EQ(count(png, kValidation), 0u) << "there is none";
  }
}

TEST(LossPlot, GivesTheSameBytesForTheSameInput) {
  const TemporaryFolder folder;
  for (const char* suffix : {".png", ".svg"}) {
    const auto path = [&](const char* name) { return folder / (std::string(name) + suffix); };
    write_loss_plot(path("first"), kLoss, kValidationLoss);
    write_loss_plot(path("between"), kValidationLoss, kLoss);
    write_loss_plot(path("second"), kLoss, kValidationLoss);
    EXPECT_EQ(read_file(path("first"), kLimit), read_file(path("second"), kLimit)) << suffix;
    EXPECT_NE(read_file(path("first"), kLimit), read_file(path("between"), kLimit)) << suffix;
  }
}

TEST(LossPlot, WritesSvgThatNeedsNothingElse) {
  const TemporaryFolder folder;
  write_loss_plot(folder / "plot.svg", kLoss, kValidationLoss);
  const std::string svg = read_file(folder / "plot.svg", kLimit);
  EXPECT_THAT(svg, testing::StartsWith("<?xml"));
  EXPECT_THAT(svg, testing::EndsWith("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("viewBox=\"0 0 640 480\""));
  EXPECT_THAT(svg, testing::Not(HasSubstr("font-family"))) << "letters are shapes";
  EXPECT_THAT(svg, testing::Not(HasSubstr("href=\"http")));
}

TEST(LossPlot, NamesTheEpochThatCannotBePlotted) {
  const TemporaryFolder folder;
  const auto write = [&](const std::vector<double>& loss, const std::vector<double>& validation) {
    return error_text<Error>([&] { write_loss_plot(folder / "plot.png", loss, validation); });
  };
  EXPECT_THAT(write({1, 2}, {1, std::nan("")}),
              AllOf(HasSubstr("plot.png"), HasSubstr("val_loss of epoch 2: it is nan")));
  EXPECT_THAT(write({std::numeric_limits<double>::infinity()}, {}),
              HasSubstr("train_loss of epoch 1: it is inf"));
  EXPECT_THAT(write({1e308}, {}), HasSubstr("train_loss of epoch 1: it is 1e+308"));
  EXPECT_THAT(write({}, {}), HasSubstr("there is no epoch to plot"));
  EXPECT_THAT(write({1, 2, 3}, {1, 2}), HasSubstr("3 epochs of loss do not match 2"));
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(LossPlot, KnowsTwoSuffixes) {
  EXPECT_NO_THROW(check_plot_suffix("plot.png"));
  EXPECT_NO_THROW(check_plot_suffix("dir/plot.svg"));
  EXPECT_THAT(error_text<ArgumentError>([] { check_plot_suffix("plot.pdf"); }),
              AllOf(HasSubstr("plot.pdf"), HasSubstr(".png or .svg"), HasSubstr("\".pdf\"")));
}

TEST(LossPlot, NamesTheFileItCannotWrite) {
  const TemporaryFolder folder;
  EXPECT_THAT(
      error_text<Error>([&] { write_loss_plot(folder / "none" / "plot.svg", kLoss, kLoss); }),
      HasSubstr("none does not exist: create it first"));
}

}  // namespace
}  // namespace oddity::test
