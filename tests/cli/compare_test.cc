// oddity compare: two tables, or a model and a table.
#include "cli/cli_fixture.h"
#include "core/text.h"
#include "detect/score_table.h"
#include "files/model_file.h"
#include "model/architecture.h"
#include "model/weights.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class CompareTest : public CliTest {
 protected:
  /// Scores from `low` on, evenly.
  void write_table(const std::string& name, float low, size_t count = 500) const {
    std::vector<int64_t> index(count);
    std::vector<float> scores(count);
    for (size_t i = 0; i < count; ++i) {
      index[i] = static_cast<int64_t>(i);
      scores[i] = low + static_cast<float>(i) / static_cast<float>(count);
    }
    write_scores(folder_ / name, index, scores, 1);
  }

  void write_network(const std::string& name, bool has_record) const {
    ModelFile model;
    model.architecture = conv_autoencoder(6, 8, 1, {4}, 3);
    model.weights = initial_weights(model.architecture, 42);
    if (has_record) {
      ModelRecord& record = model.record.emplace();
      record.version = "0.1.0";
      record.input_type = "uint8";
      record.loss = record.validation_loss = {0.1};
      for (size_t i = 0; i < 500; ++i) {
        record.training_scores.push_back(static_cast<float>(i) / 500);
      }
      record.threshold = 1;
    }
    write_model(folder_ / name, model);
  }
};

TEST_F(CompareTest, FindsNoDriftBetweenLikeScores) {
  write_table("a.csv", 0);
  write_table("b.jsonl", 0.02F, 400);
  const ProgramResult result = run({"compare", "a.csv", "b.jsonl"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("a.csv, 500 scores\n"), HasSubstr("b.jsonl, 400 scores\n"),
                    HasSubstr("median"), HasSubstr("quantile 0.99 "), HasSubstr("quantile 0.999 "),
                    HasSubstr("KS distance"), HasSubstr("PSI"), HasSubstr("10 bins"),
                    HasSubstr("\nno drift: p-value 1 is not below 0.001\n")));
}

TEST_F(CompareTest, DriftIsExitCode5AndSaysWhy) {
  write_table("a.csv", 0);
  write_table("b.npy", 0.5);
  const ProgramResult result = run({"compare", "a.csv", "b.npy"});
  EXPECT_EQ(result.exit_code, 5) << result.err;
  EXPECT_THAT(result.out,
              MatchesRegex("(.|\n)*\ndrift: p-value [0-9.e-]+ is below 0.001, and KS "
                           "distance 0.50[0-9]+ is 0.1 or more, PSI [0-9.]+ is 0.2 or more\n"));
  EXPECT_EQ(run({"compare", "a.csv", "b.npy", "--alpha", "0"}).exit_code, 0);
}

TEST_F(CompareTest, ASmallDifferenceOfManyScoresIsNoDrift) {
  write_table("a.npy", 0, 200000);
  write_table("b.npy", 0.02F, 200000);
  const ProgramResult result = run({"compare", "a.npy", "b.npy"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("no drift: p-value "), HasSubstr(" is below 0.001, but KS "
                                                               "distance 0.02")));
}

TEST_F(CompareTest, AModelStandsForItsTrainingScores) {
  write_network("model.h5", true);
  write_table("same.csv", 0);
  write_table("other.csv", 2);
  const ProgramResult same = run({"compare", "model.h5", "same.csv"});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.out, HasSubstr("model.h5, 500 training scores"));
  EXPECT_THAT(same.out, HasSubstr("KS distance    0.0000, p-value 1\n"));
  EXPECT_EQ(run({"compare", "other.csv", "model.h5"}).exit_code, 5);

  write_network("keras.h5", false);
  expect_error(run({"compare", "keras.h5", "same.csv"}), 1,
               {"keras.h5 stores no training scores", "give a table"});
}

TEST_F(CompareTest, ScoresOfDifferentModelsAreWarnedOf) {
  write_table("a.csv", 0);
  write_table("b.csv", 0);
  write_network("model.h5", true);
  write("a.csv.run.json", R"({"run": {"model": "xxh3:1111"}})");
  EXPECT_EQ(run({"compare", "a.csv", "b.csv"}).err, "") << "B's is not known";
  write("b.csv.run.json", R"({"run": {"model": "xxh3:1111"}})");
  EXPECT_EQ(run({"compare", "a.csv", "b.csv"}).err, "");
  write("b.csv.run.json", R"({"run": {"model": "xxh3:2222"}})");
  const ProgramResult tables = run({"compare", "a.csv", "b.csv"});
  EXPECT_EQ(tables.exit_code, 0);
  EXPECT_THAT(tables.err, AllOf(HasSubstr("different models"), HasSubstr("A's from xxh3:1111"),
                                HasSubstr("B's from xxh3:2222"), HasSubstr("no drift")));
  const ProgramResult model = run({"compare", "a.csv", "model.h5", "--json"});
  EXPECT_THAT(model.err, HasSubstr("different models"));
  const auto json = nlohmann::json::parse(model.out);
  EXPECT_EQ(json["a"]["model"], "xxh3:1111");
  write("b.csv.run.json",
        R"({"run": {"model": ")" + json["b"]["model"].get<std::string>() + R"("}})");
  EXPECT_EQ(run({"compare", "b.csv", "model.h5"}).err, "");
  for (const char* const damaged : {"", "[]", R"({"run": {"model": 7}})", "{\"run\""}) {
    write("b.csv.run.json", damaged);
    EXPECT_EQ(run({"compare", "b.csv", "model.h5"}).err, "");
  }
}

TEST_F(CompareTest, Json) {
  write("a.csv", "score,path\n1,a\n2,b\n,c\n3,d\n");
  write_table("b.csv", 5);
  const ProgramResult result = run({"compare", "a.csv", "b.csv", "--json"});
  EXPECT_EQ(result.exit_code, 5) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["a"]["file"], "a.csv");
  EXPECT_EQ(json["a"]["kind"], "table");
  EXPECT_EQ(json["a"]["scores"], 3);
  EXPECT_EQ(json["a"]["without_score"], 1);
  EXPECT_EQ(json["a"]["quantiles"]["0.5"], 2);
  EXPECT_EQ(json["a"]["quantiles"]["0.99"], 2.98);
  EXPECT_EQ(json["ks_distance"], 1);
  EXPECT_EQ(json["alpha"], 0.001);
  EXPECT_EQ(json["drift"], true);
  EXPECT_THAT(json["why"].get<std::string>(), StartsWith("drift: "));
}

TEST_F(CompareTest, HostileNamesAndFiles) {
  write_table("a.csv", 0);
  const std::string name = "b\"\n\x1b[31m\xff.csv";
  write_table(name, 0);
  const ProgramResult result = run({"compare", "a.csv", name});
  EXPECT_THAT(result.out, HasSubstr("b\"\\x0a\\x1b[31m\\xff.csv, 500 scores"));
  const auto json = nlohmann::json::parse(run({"compare", "a.csv", name, "--json"}).out);
  EXPECT_EQ(json["b"]["file"], "b\"\\x0a\\x1b[31m\\xff.csv");

  write("none.csv", "score\n\n\n");
  expect_error(run({"compare", "a.csv", "none.csv"}), 1, {"none.csv: none of 2 rows has a score"});
  write("image.png", "\x89PNG\r\n");
  expect_error(run({"compare", "a.csv", "image.png"}), 1, {"image.png:1", "score"});
  expect_error(run({"compare", "a.csv", "nowhere.csv"}), 1, {"B nowhere.csv: no such file"});
  expect_error(run({"compare", "a.csv"}), 2, {"B is required", "oddity compare --help"});
  expect_error(run({"compare", "a.csv", "a.csv", "--alpha", "2"}), 2, {"--alpha", "from 0 to 1"});
}

TEST_F(CompareTest, HelpSaysWhatDriftIs) {
  const ProgramResult result = run({"compare", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("Usage: oddity compare A B [OPTIONS]"),
                                HasSubstr("[0.001]"), HasSubstr("Drift, exit code 5"),
                                HasSubstr("0.1 or more"), HasSubstr("0.2 or more")));
}

}  // namespace
}  // namespace oddity::test
