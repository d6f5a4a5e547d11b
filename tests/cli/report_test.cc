// --report and --heatmaps of train, find and score.
#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "cli/cli_fixture.h"
#include "files/model_file.h"
#include "report/png.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ReportTest : public CliTest {
 protected:
  ReportTest() {
    const Architecture architecture = conv_autoencoder(6, 8, 1, {4}, 3);
    write_model(folder_ / "model.h5",
                {architecture, initial_weights(architecture, 42), std::nullopt, ""});
    write_images();
  }

  /// The images of images.npy as files of a folder.
  void write_folder() const {
    const Dataset dataset = make_images();
    std::filesystem::create_directory(folder_ / "set");
    for (size_t i = 0; i < dataset.size(); ++i) {
      Picture picture(6, 8, 1);
      std::copy_n(reinterpret_cast<const uint8_t*>(dataset.images.view().image(i)), 48,
                  picture.pixels.begin());
      write(fmt::format("set/{:02}.png", i), encode_png(picture));
    }
  }

  std::set<std::string> files_in(const std::string& name) const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / name)) {
      names.insert(entry.path().filename());
    }
    return names;
  }

  /// The cards of a page: what it calls each image and its score, in order.
  static std::vector<std::string> cards(const std::string& page) {
    static const std::regex kCard("<figcaption>[^<]*<b>([^<]+)</b>[^<]*<br>([^<]*)</figcaption>");
    std::vector<std::string> cards;
    for (std::sregex_iterator it(page.begin(), page.end(), kCard), end; it != end; ++it) {
      cards.push_back((*it)[2].str() + " " + (*it)[1].str());
    }
    return cards;
  }
  /// Its pictures.
  static std::vector<std::string> pictures(const std::string& page) {
    static const std::regex kPicture("data:image/png;base64,([^\"]+)\"");
    std::vector<std::string> pictures;
    for (std::sregex_iterator it(page.begin(), page.end(), kPicture), end; it != end; ++it) {
      pictures.push_back((*it)[1].str());
    }
    return pictures;
  }
};

TEST_F(ReportTest, FindShowsOutliersTheNextOnesAndTypicalOnes) {
  const ProgramResult result = run({"find", "-d", "images.npy", "-m", "model.h5", "-q", ".95",
                                    "--report", "report.html", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string page = bytes("report.html");
  EXPECT_THAT(page, AllOf(HasSubstr("<b>3 of 60 images</b>"), HasSubstr("What does not belong"),
                          HasSubstr("--report report.html"), HasSubstr("xxh3:")));
  EXPECT_EQ(cards(page).size(), 3u + 20u + 10u);
  // Flagged ones and the next have their ranks, typical ones none.
  EXPECT_THAT(page,
              AllOf(HasSubstr("<figcaption>No. 1 · <b>"), HasSubstr("<figcaption>No. 4 · <b>"),
                    HasSubstr("<figcaption>No. 23 · <b>"), Not(HasSubstr("No. 24 ·"))));
  EXPECT_EQ(pictures(page).size(), 3u * 33u);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["report"], "report.html");
  for (const auto& row : json["found"]) {
    const std::string name = fmt::format("image {} ", row["index"].get<int>());
    EXPECT_THAT(page, HasSubstr("<br>" + name.substr(0, name.size() - 1) + "<"));
  }
}

TEST_F(ReportTest, ScoreShowsWhatFindShows) {
  write_folder();
  ASSERT_EQ(run({"find", "-d", "images.npy", "-m", "model.h5", "-q", ".95", "--report", "find.html",
                 "--heatmaps", "find"})
                .exit_code,
            0);
  const std::vector<std::string> expected = pictures(bytes("find.html"));
  ASSERT_FALSE(expected.empty());
  std::string list;
  for (int i = 0; i < 60; ++i) list += fmt::format("set/{:02}.png\n", i);
  write("list", list);
  for (const std::string images : {"set", "images.npy", "-"}) {
    const std::string name = images == "-" ? "listed" : images == "set" ? "folder" : "array";
    ProgramOptions options;
    if (images == "-") options.standard_input = "list";
    const ProgramResult result =
        run({"score", "-m", "model.h5", "--images", images, "-o", name + ".csv", "-q", ".95",
             "--report", name + ".html", "--heatmaps", name},
            options);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, Not(HasSubstr("not what they were")));
    EXPECT_EQ(pictures(bytes(name + ".html")), expected) << images;
    EXPECT_EQ(files_in(name), files_in("find")) << images;
    for (const std::string& file : files_in("find")) {
      EXPECT_EQ(bytes(name + "/" + file), bytes("find/" + file)) << images;
    }
  }
}

TEST_F(ReportTest, InASmallSetAnImageIsShownInBothPlaces) {
  write_images("few.npy", 5);
  ASSERT_EQ(run({"score", "-m", "model.h5", "--images", "few.npy", "-o", "few.csv", "-q", "1",
                 "--report", "few.html"})
                .exit_code,
            0);
  // One outlier; the others just below it, and typical.
  EXPECT_EQ(cards(bytes("few.html")).size(), 1u + 4u + 4u);
}

TEST_F(ReportTest, HeatMapsAreTheSquaredErrorsOfEachOutlier) {
  ASSERT_EQ(run({"find", "-d", "images.npy", "-m", "model.h5", "-q", ".95", "--heatmaps", "maps",
                 "--scores", "scores.npy"})
                .exit_code,
            0);
  const std::vector<float> scores = read_npy_file<float>(folder_ / "scores.npy").values;
  std::vector<float> sorted = scores;
  std::sort(sorted.begin(), sorted.end());
  std::set<std::string> expected;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] < sorted[57]) continue;
    const std::string name = fmt::format("{:08}", i);
    expected.insert({name + ".png", name + ".npy"});
    const auto map = read_npy_file<float>(folder_ / ("maps/" + name + ".npy"));
    EXPECT_EQ(map.shape, (std::vector<int64_t>{8, 6, 1}));
    double sum = 0;
    for (const float error : map.values) sum += static_cast<double>(error);
    // A score is the mean of these, added in another order: 48 roundings at most.
    EXPECT_NEAR(sum / 48, static_cast<double>(scores[i]), 48 * 6e-8);
  }
  EXPECT_EQ(files_in("maps"), expected);
}

TEST_F(ReportTest, HeatMapsDoNotMixWithThoseOfAnotherRun) {
  const Arguments find = {"find", "-d", "images.npy", "-m", "model.h5", "--heatmaps", "maps"};
  ASSERT_EQ(run(find).exit_code, 0);
  expect_error(run(find), 1, {"--heatmaps maps", "not empty", "--force"});
  Arguments again = find;
  again.push_back("--force");
  EXPECT_EQ(run(again).exit_code, 0);
  write("file", "");
  expect_error(run({"find", "-d", "images.npy", "-m", "model.h5", "--heatmaps", "file"}), 2,
               {"file", "no folder"});
  expect_error(run({"find", "-d", "images.npy", "-m", "model.h5", "--heatmaps", "no/where"}), 1,
               {"no"});
}

TEST_F(ReportTest, TrainReportsItsOwnSet) {
  const ProgramResult result = run(train_arguments({"--report", "report.html", "--force"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(bytes("report.html"),
              AllOf(HasSubstr("1 of 60 images"), HasSubstr("training loss by epoch"),
                    HasSubstr("validation loss"), Not(HasSubstr("training set, scaled"))));
  // The model holds the distribution that later runs are shown beside.
  ASSERT_EQ(run({"find", "-d", "set.npz", "-m", "model.h5", "--report", "find.html"}).exit_code, 0);
  EXPECT_THAT(bytes("find.html"),
              AllOf(HasSubstr("training set, scaled"), HasSubstr("training loss by epoch")));
}

TEST_F(ReportTest, UnreadableFilesAreListed) {
  write_folder();
  write("set/00.png", "text");
  write("set/<b>.png", bytes("set/01.png").substr(0, 40));
  ASSERT_EQ(run({"score", "-m", "model.h5", "--images", "set", "-o", "scores.csv", "--report",
                 "report.html"})
                .exit_code,
            0);
  EXPECT_THAT(bytes("report.html"),
              AllOf(HasSubstr("2 files could not be used"), HasSubstr("1 not-an-image"),
                    HasSubstr("&lt;b&gt;.png"), HasSubstr("1 of 59 images</b>")));
}

TEST_F(ReportTest, WithoutOutliersItStillExplains) {
  const Arguments find = {"find",     "-d",     "images.npy",  "-m", "model.h5",
                          "--report", "a.html", "--threshold", "9"};
  ASSERT_EQ(run(find).exit_code, 0);
  const auto explains =
      AllOf(HasSubstr("A score is the mean squared"), HasSubstr("where they differ"),
            HasSubstr("scaled to each image's own largest error"));
  EXPECT_THAT(bytes("a.html"),
              AllOf(explains, HasSubstr("The threshold is 9: given with --threshold"),
                    HasSubstr("Just below the threshold")));
  write("few.csv", "score\n0.1\n");
  ASSERT_EQ(run({"find", "-d", "images.npy", "-m", "model.h5", "--report", "b.html", "--fdr", ".3",
                 "--calibration", "few.csv"})
                .exit_code,
            0);
  EXPECT_THAT(
      bytes("b.html"),
      AllOf(explains,
            HasSubstr("No threshold reaches the false discovery rate 0.3: with 1 held-out score at "
                      "least 100 of 60 images must score above all of them"),
            HasSubstr("hold out about 200"), HasSubstr("The highest scores"),
            Not(HasSubstr("Just below"))));
}

TEST_F(ReportTest, AFinishedRunIsNotReportedAgain) {
  write_folder();
  const Arguments score = {"score", "-m",    "model.h5", "--images", "set",
                           "-o",    "a.csv", "--resume", "--report", "report.html"};
  ASSERT_EQ(run(score).exit_code, 0);
  std::filesystem::remove(folder_ / "report.html");
  const ProgramResult again = run(score);
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("--report and --heatmaps are made with the table"));
}

TEST_F(ReportTest, BadNamesAreRefusedBeforeTheWork) {
  expect_error(run({"find", "-d", "images.npy", "-m", "model.h5", "--report", "report.pdf"}), 2,
               {"--report report.pdf", ".html"});
  expect_error(run({"find", "-d", "images.npy", "-m", "model.h5", "--report", "no/report.html"}), 1,
               {"no"});
}

}  // namespace
}  // namespace oddity::test
