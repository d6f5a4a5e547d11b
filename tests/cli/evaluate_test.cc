// oddity evaluate: labels from everywhere, figures, pictures.
#include "cli/cli_fixture.h"
#include "core/text.h"
#include "detect/score_table.h"
#include "support/decoded_png.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Six rows: of label 3 the first, third and last, whose scores stand on ranks 1, 3 and 4.
constexpr const char* kTable =
    "index,path,score,is_outlier,status,reason\n"
    "0,3/a.png,9.0,true,ok,\n"
    "1,1/b.png,8.0,true,ok,\n"
    "2,3/c.png,7.0,false,ok,\n"
    "3,1/d.png,1.0,false,ok,\n"
    "4,1/e.png,2.0,false,ok,\n"
    "5,3/f.png,6.0,false,ok,\n";
// Pairs won: 3 + 2 + 2 of 9. Precisions at the anomalies: 1, 2/3, 3/4.
constexpr double kAuroc = 7.0 / 9;
constexpr double kAveragePrecision = (1 + 2.0 / 3 + 3.0 / 4) / 3;

class EvaluateTest : public CliTest {
 protected:
  EvaluateTest() { write("scores.csv", kTable); }

  static Arguments evaluate(const Arguments& more = {}) {
    Arguments all = {"evaluate", "--scores", "scores.csv", "--anomaly-label", "3"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  nlohmann::json figures(const Arguments& arguments) const {
    Arguments all = arguments;
    all.push_back("--json");
    const ProgramResult result = run(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out, nullptr, false);
  }

  /// The six images, with the labels of the table's paths.
  void write_set(const std::string& name, std::vector<int64_t> index = {0, 1, 2, 3, 4, 5},
                 std::vector<int32_t> label = {3, 1, 3, 1, 1, 3}) const {
    Dataset dataset = make_images(index.size());
    dataset.index = std::move(index);
    dataset.label = std::move(label);
    write_dataset(folder_ / name, dataset);
  }

  void expect_the_figures(const nlohmann::json& json) const {
    EXPECT_EQ(json["anomalies"], 3);
    EXPECT_EQ(json["others"], 3);
    // Three sums of a few numbers in [0, 1].
    EXPECT_NEAR(json["auroc"]["value"].get<double>(), kAuroc, 1e-15);
    EXPECT_NEAR(json["average_precision"]["value"].get<double>(), kAveragePrecision, 1e-15);
  }
};

TEST_F(EvaluateTest, PrintsTheFigures) {
  const ProgramResult result = run(evaluate());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("images               3 of label 3, 3 of others\n"),
                                HasSubstr("95 % interval, 1,000 replicates\n"),
                                HasSubstr("AUROC                0.7778   "),
                                HasSubstr("average precision    0.8056   "),
                                HasSubstr("precision at 3       0.6667   "),
                                HasSubstr("recall at 3          0.6667"),
                                HasSubstr("threshold            the table's is_outlier\n"),
                                HasSubstr("flagged              2, 1 of them anomalies\n"),
                                HasSubstr("precision            0.5000   "),
                                HasSubstr("recall               0.3333   ")));
  EXPECT_THAT(result.err, Not(HasSubstr("left out")));
}

TEST_F(EvaluateTest, Json) {
  const auto json = figures(evaluate());
  expect_the_figures(json);
  EXPECT_EQ(json["scores"], "scores.csv");
  EXPECT_EQ(json["anomaly_labels"], std::vector<int>{3});
  EXPECT_EQ(json["precision_at_n"]["n"], 3);
  EXPECT_EQ(json["precision_at_n"]["value"], 2.0 / 3);
  EXPECT_EQ(json["threshold"]["origin"], "table");
  EXPECT_EQ(json["threshold"]["flagged"], 2);
  EXPECT_EQ(json["threshold"]["precision"]["value"], 0.5);
  EXPECT_EQ(json["threshold"]["recall"]["value"], 1.0 / 3);
  EXPECT_EQ(json["bootstrap"]["replicates"], 1000);
  EXPECT_EQ(json["bootstrap"]["seed"], 42);
  for (const char* name : {"auroc", "average_precision", "precision_at_n"}) {
    EXPECT_LT(json[name]["low"].get<double>(), json[name]["value"].get<double>()) << name;
    EXPECT_GT(json[name]["high"].get<double>(), json[name]["value"].get<double>()) << name;
  }
}

TEST_F(EvaluateTest, TakesLabelsFromWhereverTheyAre) {
  write("bare.csv", "index,score\n0,9\n1,8\n2,7\n3,1\n4,2\n5,6\n");
  const auto bare = [&](const Arguments& labels) {
    Arguments all = {"evaluate", "--scores", "bare.csv", "--anomaly-label", "3"};
    all.insert(all.end(), labels.begin(), labels.end());
    return figures(all);
  };
  write_set("set.npz");
  expect_the_figures(bare({"-d", "set.npz"}));
  write("by_index.csv", "label,index\n3,5\n1,3\n3,0\n1,1\n1,4\n3,2\n7,900\n");
  expect_the_figures(bare({"--labels", "by_index.csv"}));
  write("labels.idx", std::string("\0\0\x08\x01\0\0\0\x06\3\1\3\1\1\3", 14));
  expect_the_figures(bare({"--labels", "labels.idx"}));
  write("by_path.csv",
        "path,label\n3/a.png,3\n1/b.png,1\n3/c.png,3\n1/d.png,1\n1/e.png,1\n3/f.png,3\n");
  expect_the_figures(figures(evaluate({"--labels", "by_path.csv"})));
  // A table without indices is in the order of the set.
  write_scores(folder_ / "bare.npy", std::vector<int64_t>(6), std::vector<float>{9, 8, 7, 1, 2, 6},
               9);
  for (const char* labels : {"labels.idx", "by_index.csv"}) {
    expect_the_figures(
        figures({"evaluate", "--scores", "bare.npy", "--anomaly-label", "3", "--labels", labels}));
  }
}

// find numbers rows as the set it was drawn from does, score by their place.
TEST_F(EvaluateTest, HoldsTheDataSetAgainstTheTable) {
  write_set("drawn.npz", {10, 11, 12, 13, 14, 15});
  expect_the_figures(figures(evaluate({"-d", "drawn.npz"})));
  write("scores.csv", "index,score\n10,9\n11,8\n12,7\n13,1\n14,2\n15,6\n");
  expect_the_figures(figures(evaluate({"-d", "drawn.npz"})));
  write("scores.csv", "index,score\n10,9\n11,8\n12,7\n13,1\n15,2\n14,6\n");
  expect_error(run(evaluate({"-d", "drawn.npz"})), 1,
               {"row 4 of scores.csv is of index 15", "image 4 of drawn.npz of 14"});
  write_set("five.npz", {0, 1, 2, 3, 4}, {3, 1, 3, 1, 1});
  expect_error(run(evaluate({"-d", "five.npz"})), 1,
               {"scores.csv holds 6 rows", "five.npz 5 images"});
  write_set("unlabelled.npz", {10, 11, 12, 13, 15, 14}, std::vector<int32_t>(6, kUnknownLabel));
  expect_error(run(evaluate({"-d", "unlabelled.npz"})), 1, {"unlabelled.npz holds no labels"});
}

TEST_F(EvaluateTest, LeavesOutWhatHasNoScoreOrLabel) {
  write("scores.csv", std::string(kTable) + "6,3/g.png,,,truncated,\n7,x/h.png,5.0,false,ok,\n");
  const ProgramResult result = run(evaluate({"--json"}));
  const auto json = nlohmann::json::parse(result.out);
  expect_the_figures(json);
  EXPECT_EQ(json["without_score"], 1);
  EXPECT_EQ(json["without_label"], 1);
  EXPECT_THAT(result.err,
              HasSubstr("2 of 8 rows are left out: 1 without a score, 1 without a label"));
}

TEST_F(EvaluateTest, KnowsThresholdsFromThreePlaces) {
  EXPECT_EQ(figures(evaluate({"--threshold", "7"}))["threshold"]["flagged"], 3)
      << "at it is flagged";
  write_scores(folder_ / "bare.npy", std::vector<int64_t>(6), std::vector<float>{9, 8, 7, 1, 2, 6},
               9);
  write_set("set.npz");
  const Arguments bare{"evaluate", "--scores", "bare.npy", "-d", "set.npz", "--anomaly-label", "3"};
  EXPECT_TRUE(figures(bare)["threshold"].is_null());
  EXPECT_THAT(run(bare).out, HasSubstr("none known: give --threshold"));
  write("bare.npy.run.json", R"({"threshold": 6.5})");
  EXPECT_EQ(figures(bare)["threshold"]["origin"], "record");
  EXPECT_EQ(figures(bare)["threshold"]["flagged"], 3);
  EXPECT_THAT(run(bare).out, HasSubstr("6.5, of the run's record"));
  write("bare.npy.run.json", R"({"threshold": null})");
  EXPECT_TRUE(figures(bare)["threshold"].is_null());
  write("bare.npy.run.json", R"({"threshold": "high"})");
  expect_error(run(bare), 1, {"bare.npy.run.json: the threshold is no number"});
  write("bare.npy.run.json", "[");
  expect_error(run(bare), 1, {"bare.npy.run.json is not the record of a run"});
}

TEST_F(EvaluateTest, WithoutAFlagPrecisionIsNotDefined) {
  const auto json = figures(evaluate({"--threshold", "10"}));
  EXPECT_TRUE(json["threshold"]["precision"]["value"].is_null());
  EXPECT_EQ(json["threshold"]["recall"]["value"], 0);
  EXPECT_THAT(run(evaluate({"--threshold", "10"})).out,
              HasSubstr("precision            not defined: no image is flagged\n"));
}

TEST_F(EvaluateTest, TheBootstrapIsTheSameWhateverTheThreads) {
  // Of so few replicates no two seeds give the same.
  const auto drawn = [&](const std::string& threads, const std::string& seed) {
    return run(evaluate({"--bootstrap", "7", "--threads", threads, "--seed", seed})).out;
  };
  const std::string one = drawn("1", "42");
  EXPECT_EQ(drawn("3", "42"), one);
  EXPECT_NE(drawn("1", "7"), one);
  const auto none = figures(evaluate({"--bootstrap", "0"}));
  expect_the_figures(none);
  EXPECT_TRUE(none["auroc"]["low"].is_null());
  EXPECT_THAT(run(evaluate({"--bootstrap", "0"})).out, HasSubstr("AUROC                0.7778\n"));
}

TEST_F(EvaluateTest, DrawsTheCurves) {
  const ProgramResult result = run(evaluate({"--curves", "curves.png"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_GT(read_png(folder_ / "curves.png").width, 1000u);
  EXPECT_THAT(result.err, HasSubstr("curves.png"));
  EXPECT_EQ(run(evaluate({"--curves", "curves.svg"})).exit_code, 0);
  EXPECT_THAT(bytes("curves.svg"), HasSubstr("<svg"));
  EXPECT_EQ(figures(evaluate({"--curves", "curves.svg"}))["curves"], "curves.svg");
}

/// The six images, of one number each: 0, 51, 255 …: by the distances between them the first and
/// the last of label 3 are the odder ones.
class AgainstTest : public EvaluateTest {
 protected:
  AgainstTest() {
    Dataset dataset;
    dataset.images = ImageArray(PixelType::u8, {1, 1, 1}, 6);
    const uint8_t values[] = {255, 0, 51, 51, 0, 204};
    for (size_t i = 0; i < 6; ++i) dataset.images.data()[i] = std::byte{values[i]};
    dataset.index = {0, 1, 2, 3, 4, 5};
    dataset.label = {3, 1, 3, 1, 1, 3};
    write_dataset(folder_ / "set.npz", dataset);
  }

  static Arguments against(const Arguments& more) {
    Arguments all = evaluate({"-d", "set.npz", "--against"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

// Sums of distances to the five others, in fifths: 17, 10, 9, 9, 10, 14: of label 3 the ranks are
// 1, 2 and 5 and 6 with a tie. Of one number a single component holds all.
TEST_F(AgainstTest, JudgesTheBaselinesByTheSameImages) {
  const auto json = figures(against({"knn"}));
  expect_the_figures(json);
  ASSERT_EQ(json["against"].size(), 1u);
  const auto& knn = json["against"][0];
  EXPECT_EQ(knn["name"], "knn");
  EXPECT_EQ(knn["neighbours"], 5);
  EXPECT_EQ(knn["meaning"], "mean distance to the 5 nearest other images");
  EXPECT_NEAR(knn["auroc"]["value"].get<double>(), (3 + 3 + 0.5) / 9, 1e-15);
  // Precisions 1, 1, and 3/6 at the tie.
  EXPECT_NEAR(knn["average_precision"]["value"].get<double>(), 2.5 / 3, 1e-15);
  EXPECT_EQ(knn["precision_at_n"]["value"], 2.0 / 3);
  EXPECT_EQ(knn["recall_at_n"]["n"], 3);
  EXPECT_LE(knn["auroc"]["low"], knn["auroc"]["value"]);
  EXPECT_FALSE(knn.contains("threshold"));
}

TEST_F(AgainstTest, TakesBaselinesInAnyOrder) {
  const auto names = [&](const std::string& list) {
    const auto json = figures(against({list}));
    std::string all;
    for (const auto& one : json["against"]) all += one["name"];
    return all;
  };
  EXPECT_EQ(names("pca,knn"), "pcaknn");
  EXPECT_EQ(names("knn,pca"), "knnpca");
  EXPECT_EQ(figures(against({"pca"}))["against"][0]["components"], 1);
  EXPECT_EQ(figures(evaluate())["against"], nlohmann::json::array());
}

TEST_F(AgainstTest, PrintsThemBelowTheScores) {
  const ProgramResult result = run(against({"knn,pca", "--bootstrap", "0"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("knn                  mean distance to the 5 nearest other images\n"
                              "pca                  error of the reconstruction from 1 principal "
                              "components\n"
                              "AUROC                0.7778\n"
                              "  knn                0.7222\n"
                              "  pca                "),
                    HasSubstr("recall at 3          0.6667\n  knn                0.6667\n")));
  EXPECT_THAT(result.err, HasSubstr("computing baseline...              knn"));
}

// Images without a label are left out of the figures, but not of what they are judged by.
TEST_F(AgainstTest, LearnsFromAllImages) {
  write("scores.csv", "index,score\n0,9\n1,8\n2,7\n3,\n4,2\n5,6\n");
  const auto json = figures(against({"knn"}));
  EXPECT_EQ(json["without_score"], 1);
  EXPECT_EQ(json["others"], 2);
  const auto& knn = json["against"][0];
  EXPECT_EQ(knn["neighbours"], 5);
  EXPECT_NEAR(knn["auroc"]["value"].get<double>(), 4.0 / 6, 1e-15)
      << "10 fifths, twice, are above 9";
}

TEST_F(AgainstTest, IsTheSameWhateverTheThreads) {
  write_dataset(folder_ / "set.npz", [] {
    Dataset dataset = make_images(200, {9, 7, 3});
    for (size_t i = 0; i < 200; ++i) dataset.label[i] = i % 7 == 0 ? 3 : 1;
    return dataset;
  }());
  std::string table = "score\n";
  for (int i = 0; i < 200; ++i) table += std::to_string(i) + "\n";
  write("scores.csv", table);
  const auto with = [&](const std::string& threads) {
    return run(against({"pca,knn", "--bootstrap", "9", "--json", "--threads", threads})).out;
  };
  const std::string one = with("1");
  EXPECT_THAT(one, HasSubstr("\"components\": 16"));
  EXPECT_EQ(with("3"), one);
}

TEST_F(AgainstTest, DrawsTheirCurves) {
  ASSERT_EQ(run(against({"pca,knn", "--curves", "curves.svg"})).exit_code, 0);
  const std::string with = bytes("curves.svg");
  ASSERT_EQ(run(evaluate({"-d", "set.npz", "--curves", "curves.svg"})).exit_code, 0);
  EXPECT_GT(with.size(), bytes("curves.svg").size());
}

TEST_F(AgainstTest, MistakesAreExitCode2) {
  expect_error(run(against({"pca,svm"})), 2, {"--against", "'svm' is no baseline", "pca, knn"});
  expect_error(run(against({"pca,knn,pca"})), 2, {"--against names pca twice"});
  expect_error(run(against({""})), 2, {"--against"});
  expect_error(run(evaluate({"--against", "knn,pca"})), 2,
               {"--against knn,pca", "from the images", "with --dataset"});
}

TEST_F(EvaluateTest, NamesLabelsThatAreNotThere) {
  expect_error(run({"evaluate", "--scores", "scores.csv", "--anomaly-label", "3", "7"}), 1,
               {"--anomaly-label 7", "scores.csv", "there are 1, 3"});
  expect_error(run({"evaluate", "--scores", "scores.csv", "--anomaly-label", "3", "1"}), 1,
               {"6 are of labels 3, 1, 0 of others"});
  write("scores.csv", "path,score\n3/a.png,\n1/b.png,1\n");
  expect_error(run(evaluate()), 1, {"0 are of label 3, 1 of others"});
  write("scores.csv", "path,score\na.png,1\n");
  expect_error(run(evaluate()), 1, {"scores.csv holds no path", "--dataset or --labels"});
}

TEST_F(EvaluateTest, RefusesOtherLabelFiles) {
  struct Case {
    std::string text;
    std::vector<std::string> parts;
  };
  for (const auto& [text, parts] : std::vector<Case>{
           {"path,class\na,1\n", {"labels.csv:1", "path, class", "path,label or index,label"}},
           {"index,label\n0,1\n0,2\n", {"labels.csv:3: 0 is there twice"}},
           {"index,label\n0,one\n", {"labels.csv:2: label \"one\""}},
           {"index,label\n0,-2\n", {"labels.csv:2: label \"-2\""}},
           {"index,label\n0,99999999999\n", {"labels.csv:2: label"}},
           {"index,label\nx,1\n", {"labels.csv:2: index \"x\""}},
           {"index,label\n77,1\n", {"labels.csv labels no image of scores.csv"}},
           {std::string("\0\0\x08\x01\0\0\0\x01\3", 9), {"index 1", "labels.csv 1 labels"}},
       }) {
    write("labels.csv", text);
    expect_error(run(evaluate({"--labels", "labels.csv"})), 1, parts);
  }
  write("scores.csv", "score\n1\n2\n");
  write("labels.csv", "path,label\na,1\n");
  expect_error(run(evaluate({"--labels", "labels.csv"})), 1, {"by path", "scores.csv holds none"});
  write("labels.csv", std::string("\0\0\x08\x01\0\0\0\x01\3", 9));
  expect_error(run(evaluate({"--labels", "labels.csv"})), 1, {"2 rows", "labels.csv 1 labels"});
}

TEST_F(EvaluateTest, HostileNamesAreHarmless) {
  const std::string name = "s\"\n\x1b[31m\xff.csv";
  write(name, "path,score,status\n\"3/a\\x0a\"\"b.png\",2,ok\n1/\\xff.png,1,ok\n");
  write("labels.csv", "path,label\n1/\\xff.png,1\n\"3/a\\x0a\"\"b.png\",3\n");
  const Arguments arguments{"evaluate",   "--scores",        name, "--labels",
                            "labels.csv", "--anomaly-label", "3"};
  EXPECT_EQ(figures(arguments)["scores"], "s\"\\x0a\\x1b[31m\\xff.csv");
  EXPECT_EQ(figures(arguments)["auroc"]["value"], 1);
  EXPECT_THAT(run(arguments).out, Not(HasSubstr("\x1b")));
}

TEST_F(EvaluateTest, MistakesAreExitCode2) {
  expect_error(run({"evaluate", "--scores", "scores.csv"}), 2, {"--anomaly-label is required"});
  expect_error(run({"evaluate", "--anomaly-label", "3"}), 2, {"--scores is required"});
  expect_error(run(evaluate({"--anomaly-label", "-1"})), 2, {"--anomaly-label", "'-1'"});
  expect_error(run(evaluate({"--bootstrap", "1000001"})), 2, {"--bootstrap", "1000000"});
  expect_error(run(evaluate({"--threshold", "nan"})), 2, {"--threshold", "'nan'"});
  expect_error(run(evaluate({"--curves", "curves.pdf"})), 2, {"curves.pdf", ".png or .svg"});
  expect_error(run(evaluate({"-d", "scores.csv", "--labels", "scores.csv"})), 2,
               {"--labels", "--dataset"});
  std::filesystem::copy(folder_ / "scores.csv", folder_ / "scores.png");
  expect_error(
      run({"evaluate", "--scores", "scores.png", "--anomaly-label", "3", "--curves", "scores.png"}),
      2, {"--curves would replace --scores scores.png"});
  expect_error(run(evaluate({"-d", "nowhere.npz"})), 1, {"--dataset nowhere.npz: no such file"});
  expect_error(run(evaluate({"--curves", "nowhere/curves.png"})), 1, {"nowhere", "does not exist"});
  EXPECT_EQ(files(), (std::set<std::string>{"scores.csv", "scores.png"}));
}

}  // namespace
}  // namespace oddity::test
