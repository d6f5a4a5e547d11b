// oddity find: threshold, result lines, tables and pictures.
#include "cli/cli_fixture.h"
#include "core/text.h"
#include "detect/quantile.h"
#include "files/model_file.h"
#include "model/architecture.h"
#include "model/weights.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class FindTest : public CliTest {
 protected:
  /// 60 images and a network with initial weights; with a record where a threshold is given.
  FindTest() {
    write_images();
    write_network({});
  }

  void write_network(std::optional<double> threshold) const {
    ModelFile model;
    model.architecture = conv_autoencoder(6, 8, 1, {4}, 3);
    model.weights = initial_weights(model.architecture, 42);
    if (threshold) {
      ModelRecord record;
      record.version = "0.1.0";
      record.input_type = "uint8";
      record.input_scale = 1.0 / 255;
      record.loss = record.validation_loss = {0.1};
      record.training_scores = {static_cast<float>(*threshold)};
      record.threshold = *threshold;
      model.record = record;
    }
    write_model(folder_ / "model.h5", model);
  }

  static Arguments find(const Arguments& more = {}) {
    Arguments all = {"find", "-d", "images.npy", "-m", "model.h5"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  std::vector<float> scores() const {
    EXPECT_EQ(run(find({"--scores", "scores.npy", "--force"})).exit_code, 0);
    return read_npy_file<float>(folder_ / "scores.npy").values;
  }
};

TEST_F(FindTest, PrintsTheReferencesTwoLinesAndNothingElse) {
  const ProgramResult result = run(find());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, MatchesRegex("\\[INFO\\] mse threshold: 0\\.[0-9]+\n"
                                       "\\[INFO\\] 1 outliers found\n"));
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("[INFO] loading autoencoder and image data..."),
                    HasSubstr("quantile 0.999 of these scores"), HasSubstr("outliers.png")));
  EXPECT_EQ(files(), (std::set<std::string>{"images.npy", "model.h5", "outliers.png"}));
}

TEST_F(FindTest, TheThresholdComesFromTheFirstThatGivesOne) {
  const std::vector<float> all = scores();
  const auto line = [](double threshold) {
    return "[INFO] mse threshold: " + shortest(threshold) + "\n";
  };
  EXPECT_THAT(run(find()).out, HasSubstr(line(quantile(all, 0.999))));

  const double stored = quantile(all, 0.5);
  write_network(stored);
  const ProgramResult by_model = run(find());
  EXPECT_THAT(by_model.out, AllOf(HasSubstr(line(stored)), HasSubstr("30 outliers found")));
  EXPECT_THAT(by_model.err, HasSubstr("stored in the model"));

  const ProgramResult by_quantile = run(find({"-q", ".9"}));
  EXPECT_THAT(by_quantile.out, HasSubstr(line(quantile(all, 0.9))));
  EXPECT_THAT(by_quantile.err, HasSubstr("quantile 0.9 of these scores"));

  const ProgramResult by_value = run(find({"--threshold", "0"}));
  EXPECT_THAT(by_value.out, AllOf(HasSubstr(line(0)), HasSubstr("60 outliers found")));
  EXPECT_THAT(by_value.err, HasSubstr("given with --threshold"));
}

TEST_F(FindTest, AScoreAtTheThresholdIsAnOutlier) {
  std::vector<float> all = scores();
  std::sort(all.begin(), all.end());
  const auto top = static_cast<double>(all.back());
  EXPECT_THAT(run(find({"--threshold", shortest(top)})).out, HasSubstr("1 outliers found"));
  EXPECT_THAT(run(find({"--threshold", shortest(std::nextafter(top, 1.0))})).out,
              HasSubstr("0 outliers found"));
}

TEST_F(FindTest, WithoutOutliersNothingIsDrawnAndThatIsSaid) {
  write("outliers.png", "of an earlier run");
  const ProgramResult result = run(find({"--threshold", "2"}));
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("outliers.png is not written"), HasSubstr("earlier run")));
  EXPECT_EQ(bytes("outliers.png"), "of an earlier run");
}

TEST_F(FindTest, FailOnOutliers) {
  EXPECT_EQ(run(find({"--threshold", "0", "--fail-on-outliers"})).exit_code, 3);
  EXPECT_EQ(run(find({"--threshold", "2", "--fail-on-outliers"})).exit_code, 0);
  std::filesystem::remove(folder_ / "outliers.png");
  expect_error(run(find({"--fail-on-outliers"})), 2, {"model.h5", "threshold", "--threshold"});
  EXPECT_EQ(files(), (std::set<std::string>{"images.npy", "model.h5"}));
  write_network(0.001);
  EXPECT_EQ(run(find({"--fail-on-outliers"})).exit_code, 3);
}

TEST_F(FindTest, JsonNamesTheFilesOfOutliers) {
  Dataset dataset = make_images();
  for (size_t i = 0; i < dataset.size(); ++i) {
    dataset.path.push_back("scans/" + std::to_string(i) + "\xff.png");
  }
  write_dataset(folder_ / "paths.npz", dataset);
  const ProgramResult result =
      run({"find", "-d", "paths.npz", "-m", "model.h5", "--json", "-q", "1"});
  const auto json = nlohmann::json::parse(result.out);
  ASSERT_EQ(json["found"].size(), 1u) << result.err;
  EXPECT_EQ(json["found"][0]["path"],
            "scans/" + std::to_string(json["found"][0]["index"].get<int>()) + "\\xff.png");
}

TEST_F(FindTest, ScoreTablesNameTheFilesOfADataSetThatHoldsThem) {
  Dataset dataset = make_images();
  std::string labels = "path,label\n";
  for (size_t i = 0; i < dataset.size(); ++i) {
    dataset.path.push_back("scans/" + std::to_string(i) + "\xff,.png");
    labels += "\"scans/" + std::to_string(i) + "\\xff,.png\"," + (i < 5 ? "1\n" : "0\n");
  }
  write_dataset(folder_ / "paths.npz", dataset);
  write("labels.csv", labels);
  for (const char* const table : {"find.csv", "find.jsonl"}) {
    ASSERT_EQ(run({"find", "-d", "paths.npz", "-m", "model.h5", "--scores", table}).exit_code, 0);
    EXPECT_THAT(bytes(table), HasSubstr("\"scans/59\\"));
    const ProgramResult judged =
        run({"evaluate", "--scores", table, "--labels", "labels.csv", "--anomaly-label", "1"});
    EXPECT_EQ(judged.exit_code, 0) << judged.err;
    EXPECT_THAT(judged.out, HasSubstr("5 of label 1, 55 of others"));
  }
}

TEST_F(FindTest, Json) {
  const ProgramResult result = run(find({"--json", "-q", ".95", "--scores", "scores.jsonl"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["images"], 60);
  EXPECT_EQ(json["shape"], (std::vector<int>{8, 6, 1}));
  EXPECT_EQ(json["threshold_parameter"], 0.95);
  EXPECT_EQ(json["threshold_origin"], "quantile of this run");
  EXPECT_EQ(json["outliers"], 3);
  EXPECT_EQ(json["found"].size(), 3u);
  EXPECT_EQ(json["montage"], "outliers.png");
  EXPECT_EQ(json["scores"], "scores.jsonl");
  const std::vector<float> all = scores();
  for (const auto& row : json["found"]) {
    EXPECT_EQ(row["score"].get<float>(), all.at(row["position"].get<size_t>()));
    EXPECT_GE(row["score"].get<double>(), json["threshold"].get<double>());
  }
}

TEST_F(FindTest, ScoreTables) {
  ASSERT_EQ(run(find({"--scores", "scores.csv"})).exit_code, 0);
  const std::string table = bytes("scores.csv");
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 61);
  EXPECT_THAT(table, HasSubstr("index,path,score,is_outlier,status,reason"));
  expect_error(run(find({"--scores", "scores.csv"})), 1, {"scores.csv exists", "--force"});
  EXPECT_EQ(run(find({"--scores", "scores.csv", "--force"})).exit_code, 0);
  EXPECT_EQ(bytes("scores.csv"), table);
}

TEST_F(FindTest, TheSameBytesWhateverTheThreads) {
  std::map<std::string, std::string> first;
  for (const char* const threads : {"1", "1", "2"}) {
    const ProgramResult result =
        run(find({"--threads", threads, "--scores", "scores.npy", "--force"}));
    ASSERT_EQ(result.exit_code, 0);
    for (const std::string& name : files()) {
      const auto [found, is_new] = first.emplace(name, bytes(name));
      EXPECT_TRUE(is_new || found->second == bytes(name)) << name << ", --threads " << threads;
    }
    const auto [found, is_new] = first.emplace("standard output", result.out);
    EXPECT_EQ(found->second, result.out);
  }
}

TEST_F(FindTest, ManyOutliersAreDrawnInPart) {
  write_images("images.npy", 150);
  const ProgramResult result = run(find({"--threshold", "0"}));
  EXPECT_THAT(result.out, HasSubstr("150 outliers found"));
  EXPECT_THAT(result.err, HasSubstr("outliers.png, 100 of 150"));
}

TEST_F(FindTest, AModelForAnotherSize) {
  write_images("other.npz", 5, {4, 4, 3});
  expect_error(run({"find", "-d", "other.npz", "-m", "model.h5"}), 1,
               {"model expects 6x8x1", "other.npz holds 4x4x3", "train a model"});
}

TEST_F(FindTest, AScoreThatIsNoNumberIsNamed) {
  // Finite weights whose products are not: infinities of both signs meet in the last convolution.
  ModelFile model = read_model(folder_ / "model.h5");
  for (float& value : model.weights.at("decoder.bn1.gamma").values) value = 3e38f;
  float sign = 1;
  for (float& value : model.weights.at("decoder.convT2.kernel").values)
    value = (sign = -sign) * 1e6f;
  write_model(folder_ / "model.h5", model);
  expect_error(run(find()), 1, {"images.npy: image 0 ", "nan", "model.h5"});
  EXPECT_EQ(files(), (std::set<std::string>{"images.npy", "model.h5"}));
}

TEST_F(FindTest, ReadsTheReferencesOwnModels) {
  std::filesystem::copy(golden("trained/autoencoder.model"), folder_ / "autoencoder.model");
  write_images("digits.npy", 20, {28, 28, 1});
  const ProgramResult result = run({"find", "-d", "digits.npy", "-m", "autoencoder.model"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("1 outliers found"));
}

TEST_F(FindTest, ClosedOrFullOutputIsAnError) {
  for (const auto output : {ProgramOptions::Output::closed, ProgramOptions::Output::full}) {
    const ProgramResult result =
        run(find({"--scores", "scores.csv", "--force"}), {.output = output});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.signal, 0);
    EXPECT_THAT(result.err, HasSubstr("[ERROR] cannot write to standard output"));
    // No file was taken for the closed output.
    EXPECT_THAT(bytes("scores.csv"), Not(HasSubstr("INFO")));
  }
}

TEST_F(FindTest, FullAndUnwritableOutputs) {
  expect_error(run(find({"--montage", "nowhere/outliers.png"})), 1, {"nowhere", "does not exist"});
  std::filesystem::create_symlink("/dev/full", folder_ / "full.csv");
  expect_error(run(find({"--scores", "full.csv"})), 1, {"full.csv", "No space left"});
}

}  // namespace
}  // namespace oddity::test
