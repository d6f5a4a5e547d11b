// Thresholds besides a value and a quantile, of find and score.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/cli_fixture.h"
#include "core/text.h"
#include "files/model_file.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ThresholdTest : public CliTest {
 protected:
  ThresholdTest() {
    const Architecture architecture = conv_autoencoder(6, 8, 1, {4}, 3);
    write_model(folder_ / "model.h5",
                {architecture, initial_weights(architecture, 42), std::nullopt, ""});
    write_images();
  }

  static Arguments find(const Arguments& more = {}) {
    Arguments all = {"find", "-d", "images.npy", "-m", "model.h5"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static Arguments score(const Arguments& more = {}) {
    Arguments all = {"score",      "-m", "model.h5",   "--images",
                     "images.npy", "-o", "scores.csv", "--force"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  std::vector<double> sorted_scores() const {
    EXPECT_EQ(run(find({"--scores", "all.npy"})).exit_code, 0);
    const std::vector<float> scores = read_npy_file<float>(folder_ / "all.npy").values;
    std::vector<double> sorted(scores.begin(), scores.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }
};

TEST_F(ThresholdTest, FindAndScoreAgreeAndSayWhy) {
  const std::vector<double> scores = sorted_scores();
  const struct {
    Arguments options;
    double threshold;
    std::string why;
  } cases[] = {
      {{"--top-k", "7"}, scores[53], "the 7 highest of these scores"},
      {{"--contamination", ".1"}, scores[54], "a share of 0.1 of these images"},
      {{"--contamination", "1"}, scores[0], "a share of 1 of"},
      {{"--top-k", "1"}, scores[59], "the highest of these scores"},
  };
  for (const auto& [options, threshold, why] : cases) {
    const ProgramResult found = run(find(options));
    EXPECT_THAT(found.out, HasSubstr("[INFO] mse threshold: " + shortest(threshold) + "\n"));
    EXPECT_THAT(found.err, HasSubstr(why));
    EXPECT_EQ(run(score(options)).out, found.out);
  }
  const ProgramResult mad = run(find({"--mad", "1.5"}));
  EXPECT_THAT(mad.err, HasSubstr("median + 1.5 scaled median absolute deviations"));
  EXPECT_EQ(run(score({"--mad", "1.5"})).out, mad.out);
  const auto record = nlohmann::json::parse(bytes("scores.csv.run.json"));
  EXPECT_EQ(record["threshold_origin"], "median absolute deviation of this run");
  EXPECT_EQ(record["threshold_parameter"], 1.5);
}

TEST_F(ThresholdTest, FalseDiscoveryRate) {
  // Held-out scores between the sixth and the fifth highest of the set.
  const std::vector<double> scores = sorted_scores();
  std::string table = "score\n";
  for (int i = 1; i <= 200; ++i) {
    table += shortest(scores[54] + (scores[55] - scores[54]) * i / 201) + "\n";
  }
  write("held-out.csv", table);
  const ProgramResult found = run(find({"--fdr", ".2", "--calibration", "held-out.csv"}));
  ASSERT_EQ(found.exit_code, 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("5 outliers found"));
  EXPECT_THAT(found.err, AllOf(HasSubstr("false discovery rate 0.2 by 200 held-out scores"),
                               HasSubstr("at least 2 of 60 images")));
  EXPECT_EQ(run(score({"--fdr", ".2", "--calibration", "held-out.csv"})).out, found.out);

  // Too few to be sure of anything.
  write("few.csv", "score\n0.1\n");
  const ProgramResult none = run(score({"--fdr", ".01", "--calibration", "few.csv"}));
  EXPECT_EQ(none.exit_code, 0) << none.err;
  EXPECT_THAT(none.out,
              AllOf(HasSubstr("mse threshold: none reaches the false discovery rate 0.01\n"),
                    HasSubstr("0 outliers found")));
  EXPECT_THAT(none.err, HasSubstr("hold out about 6,000"));
  EXPECT_EQ(run(find({"--fdr", ".01", "--calibration", "few.csv"})).out, none.out);
}

TEST_F(ThresholdTest, AskingForAllIsSaid) {
  for (const char* const k : {"60", "5000"}) {
    const ProgramResult found = run(find({"--top-k", k}));
    EXPECT_THAT(found.out, HasSubstr("60 outliers found"));
    EXPECT_THAT(found.err, AllOf(HasSubstr(fmt::format("--top-k {} of 60 scores flags every", k)),
                                 HasSubstr("all 60 scores, as the")));
    EXPECT_THAT(run(score({"--top-k", k})).err, HasSubstr("flags everything"));
  }
  EXPECT_THAT(run(find({"--top-k", "59"})).err, Not(HasSubstr("flags everything")));
}

TEST_F(ThresholdTest, ASmallTrainingSetsOwnQuantileComesWithAdvice) {
  ASSERT_EQ(run(train_arguments({"--force"})).exit_code, 0);
  const std::string advice =
      "quantile 0.999 of 60 training scores flags about one image in 1,000, of the training set at "
      "least one, whatever is in it: --mad or --top-k judge small sets better";
  const Arguments of_find = {"find", "-d", "set.npz", "-m", "model.h5", "--report", "find.html"};
  const Arguments of_score = {"score", "-m",    "model.h5", "--images",   "images.npy",
                              "-o",    "s.csv", "--report", "score.html", "--force"};
  for (const Arguments& command : {of_find, of_score}) {
    const ProgramResult result = run(command);
    EXPECT_THAT(result.err, HasSubstr(advice));
    EXPECT_EQ(result.out.find("--mad"), std::string::npos);
    EXPECT_THAT(bytes(command[0] + ".html"), HasSubstr(advice));
    Arguments by_rule = command;
    by_rule.insert(by_rule.end(), {"--mad", "6"});
    EXPECT_THAT(run(by_rule).err, Not(HasSubstr("judge small sets better")));
  }
  ModelFile model = read_model(folder_ / "model.h5");
  model.record->training_scores.assign(2000, 0.1F);
  write_model(folder_ / "model.h5", model);
  EXPECT_THAT(run(of_find).err, Not(HasSubstr("judge small sets better")));
}

TEST_F(ThresholdTest, RulesExcludeEachOther) {
  expect_error(run(find({"--top-k", "3", "--mad", "6"})), 2,
               {"--top-k 3 and --mad 6 exclude each other", "give one"});
  expect_error(run(find({"--fdr", ".1"})), 2, {"--fdr 0.1", "--calibration"});
  expect_error(run(find({"--calibration", "images.npy"})), 2, {"--calibration", "--fdr"});
  expect_error(run(find({"--top-k", "3", "--fail-on-outliers"})), 2,
               {"--top-k 3 would always trip"});
  expect_error(run(find({"--contamination", "1.5"})), 2, {"--contamination", "from 0 to 1"});
  expect_error(run(find({"--top-k", "0"})), 2, {"--top-k"});
  expect_error(run(find({"--fdr", ".1", "--calibration", "gone.csv"})), 1, {"gone.csv"});
  EXPECT_EQ(run(find({"--mad", "3", "--fail-on-outliers"})).exit_code % 3, 0);
}

TEST_F(ThresholdTest, ResumingNamesAnotherRule) {
  ASSERT_EQ(run(score({"--top-k", "3"})).exit_code, 0);
  Arguments again = {"score", "-m",         "model.h5", "--images", "images.npy",
                     "-o",    "scores.csv", "--resume", "--top-k",  "4"};
  expect_error(run(again), 1, {"was 3 (top k of this run)", "is 4 (top k"});
  again.back() = "3";
  EXPECT_EQ(run(again).exit_code, 0);
}

}  // namespace
}  // namespace oddity::test
