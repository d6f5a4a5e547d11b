// The robust mode, from train to export.
#include "cli/cli_fixture.h"
#include "core/text.h"
#include "data/variation.h"
#include "files/model_file.h"
#include "files/onnx_evaluator.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class RobustTest : public CliTest {
 protected:
  RobustTest() { write_images(); }

  void train(const Arguments& more = {}) const {
    Arguments all = {"--robust"};
    all.insert(all.end(), more.begin(), more.end());
    const ProgramResult result = run(train_arguments(all));
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  std::vector<float> scores_of(const Arguments& command) const {
    const ProgramResult result = run(command);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return read_npy_file<float>(folder_ / "scores.npy").values;
  }
  std::vector<float> find_scores(const Arguments& more = {}) const {
    Arguments all = {"find",     "-d",       "set.npz",    "-m",
                     "model.h5", "--scores", "scores.npy", "--force"};
    all.insert(all.end(), more.begin(), more.end());
    return scores_of(all);
  }
  ModelRecord record() const { return *read_model(folder_ / "model.h5").record; }
};

TEST_F(RobustTest, TheModelKnowsItsScore) {
  train();
  const ModelRecord robust = record();
  EXPECT_EQ(robust.score.kind, ScoreKind::robust);
  EXPECT_DOUBLE_EQ(robust.score.variation_floor,
                   0.1 * median_variation(make_images().images.view()));
  EXPECT_EQ(robust.trim, 0.06);
  // The training scores are of that kind, and so is the threshold.
  std::vector<float> scores = find_scores();
  std::sort(scores.begin(), scores.end());
  EXPECT_EQ(scores, robust.training_scores);
  const ProgramResult found = run({"find", "-d", "set.npz", "-m", "model.h5", "--force"});
  EXPECT_THAT(found.out, HasSubstr("[INFO] robust threshold: " + shortest(robust.threshold)));

  const ProgramResult inspected = run({"inspect", "model.h5"});
  EXPECT_THAT(inspected.out, AllOf(HasSubstr("robust, variation at least "),
                                   HasSubstr("0.06 of each batch gave no gradient")));
}

TEST_F(RobustTest, EpochsAreFewerUnlessAskedFor) {
  Arguments arguments = train_arguments({"--robust"});
  const auto epochs = std::find(arguments.begin(), arguments.end(), "--epochs");
  arguments.erase(epochs, epochs + 2);
  ASSERT_EQ(run(arguments).exit_code, 0);
  EXPECT_EQ(record().loss.size(), 8u);
}

// Twice what is odd, where that is known, and never more than half.
TEST_F(RobustTest, TrimFollowsTheContamination) {
  const auto trim = [&](const Arguments& more) {
    // Of the embedded digits, where labels are known.
    Arguments all = {"train",        "-d", "set.npz",  "-m", "model.h5", "--filters", "1",
                     "--latent-dim", "1",  "--epochs", "1",  "--robust", "--force"};
    all.insert(all.end(), more.begin(), more.end());
    const ProgramResult result = run(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return record().trim;
  };
  EXPECT_EQ(trim({"--contam", "0.01"}), 0.06);
  EXPECT_EQ(trim({"--contam", "0.1"}), 0.2);
  EXPECT_EQ(trim({"--contam", "0.4"}), 0.5);
  EXPECT_EQ(trim({"--contam", "0.1", "--trim", "0.3"}), 0.3);
}

TEST_F(RobustTest, TrimmingLearnsSomethingElse) {
  train({"--trim", "0.06"});
  const Weights little = read_model(folder_ / "model.h5").weights;
  train({"--trim", "0.5", "--force"});
  EXPECT_NE(read_model(folder_ / "model.h5").weights, little);
}

TEST_F(RobustTest, ScoreGivesWhatFindGives) {
  train();
  const std::vector<float> found = find_scores();
  EXPECT_EQ(scores_of({"score", "--images", "images.npy", "-m", "model.h5", "-o", "scores.npy",
                       "--force"}),
            found);
  const auto run_record = nlohmann::json::parse(bytes("scores.npy.run.json"));
  EXPECT_EQ(run_record["run"]["score_rule"], "robust");
  EXPECT_EQ(run_record["threshold"], record().threshold);
}

TEST_F(RobustTest, AnotherScoreHasAnotherThreshold) {
  train();
  const std::vector<float> robust = find_scores();
  EXPECT_NE(find_scores({"--score", "mse"}), robust);
  EXPECT_EQ(find_scores({"--score", "robust"}), robust);
  // The model's threshold is of its own score.
  const ProgramResult other =
      run({"find", "-d", "set.npz", "-m", "model.h5", "--force", "--score", "mse", "--json"});
  ASSERT_EQ(other.exit_code, 0) << other.err;
  const auto json = nlohmann::json::parse(other.out);
  EXPECT_EQ(json["score_rule"], "mse");
  EXPECT_EQ(json["threshold_origin"], "quantile of this run");
  expect_error(run({"find", "-d", "set.npz", "-m", "model.h5", "--force", "--score", "mse",
                    "--fail-on-outliers"}),
               2, {"model.h5 stores no threshold of this score", "give --threshold"});
}

TEST_F(RobustTest, ADefaultModelCanBeAskedForRobustScores) {
  ASSERT_EQ(run(train_arguments()).exit_code, 0);
  EXPECT_EQ(record().score, ScoreRule{});
  EXPECT_EQ(record().trim, 0);
  const std::vector<float> plain = find_scores();
  EXPECT_NE(find_scores({"--score", "robust"}), plain);
  const ProgramResult warned =
      run({"find", "-d", "set.npz", "-m", "model.h5", "--force", "--score", "robust"});
  EXPECT_THAT(warned.err, HasSubstr("the model does not know the total variation"));
  EXPECT_EQ(find_scores({"--score", "mse"}), plain);
}

TEST_F(RobustTest, ExportsItsScore) {
  train();
  const auto exported = [&](const Arguments& more) {
    Arguments all = {"export", "-m", "model.h5", "--to", "onnx", "-o", "model.onnx", "--force"};
    all.insert(all.end(), more.begin(), more.end());
    const ProgramResult result = run(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return OnnxEvaluator(bytes("model.onnx"));
  };
  const std::vector<float> robust = find_scores();
  const OnnxResult result = exported({}).run(make_images().images.view());
  ASSERT_EQ(result.score.size(), robust.size());
  for (size_t i = 0; i < robust.size(); ++i) {
    EXPECT_NEAR(result.score[i], robust[i], 1e-5f * robust[i]);
  }
  ASSERT_TRUE(result.outlier);  // by the model's threshold
  EXPECT_EQ(std::count(result.outlier->begin(), result.outlier->end(), true), 1);
  const OnnxEvaluator plain = exported({"--score", "mse"});
  EXPECT_EQ(plain.metadata().at("score_rule"), "mse");
  EXPECT_FALSE(plain.has_outlier());
}

TEST_F(RobustTest, TheReportSaysWhatAScoreIs) {
  train({"--report", "train.html"});
  EXPECT_THAT(bytes("train.html"), HasSubstr("relative to how much the image shows"));
  ASSERT_EQ(run({"find", "-d", "set.npz", "-m", "model.h5", "--force", "--score", "mse", "--report",
                 "find.html"})
                .exit_code,
            0);
  EXPECT_THAT(bytes("find.html"), AllOf(HasSubstr("A score is the mean squared difference"),
                                        Not(HasSubstr("relative to how much the image shows"))));
}

TEST_F(RobustTest, BadOptions) {
  expect_error(run(train_arguments({"--trim", "0.1"})), 2, {"--trim is of --robust: give it, too"});
  for (const char* share : {"0", "1", "-0.1", "nan"}) {
    expect_error(run(train_arguments({"--robust", "--trim", share})), 2, {"--trim", share});
  }
  expect_error(run({"find", "-d", "set.npz", "-m", "model.h5", "--score", "median"}), 2,
               {"--score", "median"});
}

TEST_F(RobustTest, TrimMayComeFromTheEnvironment) {
  ProgramOptions options;
  options.variables["ODDITY_TRIM"] = "0.2";
  const ProgramResult from_environment = run(train_arguments({"--robust"}), options);
  ASSERT_EQ(from_environment.exit_code, 0) << from_environment.err;
  EXPECT_EQ(record().trim, 0.2);
}

}  // namespace
}  // namespace oddity::test
