// oddity score, as a person runs it: the table, the record, the exit codes.
#include <cmath>
#include <fstream>
#include <sstream>

#include "cli/cli_fixture.h"
#include "files/model_file.h"
#include "files/npy.h"
#include "report/png.h"
#include "support/file_size_limit.h"

namespace oddity::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class ScoreTest : public CliTest {
 protected:
  ScoreTest() {
    Architecture architecture = conv_autoencoder(8, 4, 1, {3}, 2);
    ModelRecord record;
    record.version = "test";
    record.input_type = "uint8";
    record.input_scale = 1.0 / 255;
    record.threshold = 0.2;
    write_model(folder_ / "model.h5", {architecture, initial_weights(architecture, 3), record, ""});
    write_model(folder_ / "keras.h5",
                {architecture, initial_weights(architecture, 3), std::nullopt, ""});
  }

  /// Pictures of noise in two folders, as many as asked for.
  void write_folder(int count = 40) const {
    Philox random(5, 0);
    for (int i = 0; i < count; ++i) {
      Picture picture(8, 4, 1);
      for (uint8_t& pixel : picture.pixels) pixel = static_cast<uint8_t>(random());
      const std::string name = fmt::format("set/{}/{:04}.png", i % 2, i);
      std::filesystem::create_directories((folder_ / name).parent_path());
      write(name, encode_png(picture));
    }
  }

  static Arguments score(const Arguments& more = {}) {
    Arguments all = {"score", "-m", "model.h5", "--images", "set", "-o", "scores.csv"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  std::vector<std::string> lines(const std::string& name) const {
    std::istringstream in(bytes(name));
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  nlohmann::json record(const std::string& output = "scores.csv") const {
    return nlohmann::json::parse(bytes(output + ".run.json"));
  }
};

TEST_F(ScoreTest, WritesATableAndARecord) {
  write_folder();
  const ProgramResult result = run(score());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<std::string> rows = lines("scores.csv");
  ASSERT_EQ(rows.size(), 41u);
  EXPECT_EQ(rows[0], "index,path,score,is_outlier,status,reason");
  EXPECT_THAT(rows[1], testing::MatchesRegex("0,0/0000.png,0\\.[0-9]+,(true|false),ok,"));
  EXPECT_THAT(rows[40], HasSubstr("39,1/0039.png,"));
  EXPECT_THAT(result.out, HasSubstr("[INFO] mse threshold: 0.2\n"));
  const nlohmann::json record = this->record();
  EXPECT_EQ(record["images"], 40);
  EXPECT_EQ(record["statuses"]["ok"], 40);
  EXPECT_EQ(record["threshold"], 0.2);
  EXPECT_EQ(record["threshold_origin"], "model");
  EXPECT_EQ(record["run"]["device"], "cpu");
  EXPECT_EQ(files(), (std::set<std::string>{"model.h5", "keras.h5", "set", "scores.csv",
                                            "scores.csv.run.json"}));
}

TEST_F(ScoreTest, ScoresAreThoseOfFind) {
  write_images("set.npy", 60, {4, 8, 1});
  EXPECT_EQ(run({"find", "-d", "set.npy", "-m", "model.h5", "--scores", "find.csv"}).exit_code, 0);
  for (const char* threads : {"1", "3"}) {
    EXPECT_EQ(run({"score", "-m", "model.h5", "--images", "set.npy", "-o", "score.csv", "--force",
                   "--threads", threads})
                  .exit_code,
              0);
    EXPECT_EQ(bytes("score.csv"), bytes("find.csv"));
  }
}

TEST_F(ScoreTest, TheQuantileOfARunIsThatOfItsScores) {
  write_images("set.npy", 60, {4, 8, 1});
  const ProgramResult find =
      run({"find", "-d", "set.npy", "-m", "model.h5", "-q", ".9", "--scores", "find.npy"});
  const ProgramResult score =
      run({"score", "-m", "model.h5", "--images", "set.npy", "-q", ".9", "-o", "score.npy"});
  EXPECT_EQ(score.out, find.out);
  EXPECT_EQ(bytes("score.npy"), bytes("find.npy"));
  // A model without a threshold: quantile .999.
  const ProgramResult keras =
      run({"score", "-m", "keras.h5", "--images", "set.npy", "-o", "keras.jsonl"});
  EXPECT_THAT(keras.out, HasSubstr("[INFO] 1 outliers found"));
  EXPECT_EQ(record("keras.jsonl")["threshold_parameter"], 0.999);
}

TEST_F(ScoreTest, BadImagesAreRows) {
  write_folder(6);
  write("set/0/0001.png", "text");
  write("set/0/0003.png", bytes("set/0/0000.png").substr(0, 50));
  write("set/readme.txt", "left out");
  const ProgramResult result = run(score());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<std::string> rows = lines("scores.csv");
  ASSERT_EQ(rows.size(), 9u);
  EXPECT_THAT(rows[2], HasSubstr("1,0/0001.png,,,not-an-image,"));
  EXPECT_THAT(rows[4], HasSubstr("3,0/0003.png,,,truncated,"));
  EXPECT_THAT(result.err, HasSubstr("2 of 8 images have no score: 1 not-an-image, 1 truncated"));
  EXPECT_EQ(record()["left_out"], 1);
}

TEST_F(ScoreTest, MoreBadImagesThanAllowedStopTheRunAndLoseNothing) {
  write_folder(6);
  write("set/0/0001.png", "text");
  write("set/0/0003.png", "text");
  const auto expect_advice = [](const ProgramResult& stopped) {
    expect_error(stopped, 4,
                 {"2 images cannot be used, --max-bad allows 1: raise it to 2 or more",
                  "8 finished rows in scores.csv.journal", "mend or remove", "--force"});
    EXPECT_THAT(stopped.err, HasSubstr("0/0001.png: not-an-image: "));
    EXPECT_THAT(stopped.err, HasSubstr("0/0003.png: not-an-image: "));
    EXPECT_THAT(stopped.err, Not(HasSubstr("are safe in")));
  };
  expect_advice(run(score({"--max-bad", "1"})));
  expect_advice(run(score({"--max-bad", "1", "--resume"})));
  EXPECT_TRUE(files().contains("scores.csv.journal"));
  EXPECT_FALSE(files().contains("scores.csv"));
  EXPECT_EQ(run(score({"--max-bad", "2", "--resume"})).exit_code, 0);
  EXPECT_EQ(lines("scores.csv").size(), 9u);
  EXPECT_FALSE(files().contains("scores.csv.journal"));
}

TEST_F(ScoreTest, ARunThatGoesOnCountsTheFilesLeftOutBefore) {
  write_folder(200);
  write("set/0/0001.png", "text");
  write("set/0/notes.txt", "text");
  write("set/1/zzz.txt", "text");
  run(score({"--max-bad", "0"}));
  ASSERT_TRUE(files().contains("scores.csv.journal"));
  const ProgramResult rest = run(score({"--resume"}));
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_THAT(rest.err, HasSubstr("2 files are left out"));
  EXPECT_EQ(record()["left_out"], 2);
}

TEST_F(ScoreTest, NoGoodImageIsAnErrorWithATable) {
  write("bad.png", "text");
  const ProgramResult result =
      run({"score", "-m", "keras.h5", "--images", "bad.png", "-o", "scores.csv"});
  expect_error(result, 1, {"of 1 image none could be scored: scores.csv"});
  EXPECT_THAT(lines("scores.csv")[1], HasSubstr("0,bad.png,,,not-an-image,"));
}

TEST_F(ScoreTest, ASetWithoutImagesIsAnError) {
  std::filesystem::create_directory(folder_ / "set");
  expect_error(run(score()), 1, {"--images set", "holds no images"});
  EXPECT_EQ(files(), (std::set<std::string>{"model.h5", "keras.h5", "set"}));
}

TEST_F(ScoreTest, OutliersCanFailTheRun) {
  write_folder(4);
  EXPECT_EQ(run(score({"--threshold", "0", "--fail-on-outliers"})).exit_code, 3);
  EXPECT_EQ(run(score({"--threshold", "1", "--fail-on-outliers", "--force"})).exit_code, 0);
  expect_error(run(score({"-q", ".9", "--fail-on-outliers", "--force"})), 2, {"always trip"});
}

TEST_F(ScoreTest, WhatIsThereIsNotReplacedUnasked) {
  write_folder(4);
  write("scores.csv", "mine");
  expect_error(run(score()), 1, {"scores.csv exists", "--force"});
  // Not a table that a run of oddity left.
  expect_error(run(score({"--resume"})), 1, {"scores.csv", "--force"});
  EXPECT_EQ(bytes("scores.csv"), "mine");
  EXPECT_EQ(run(score({"--force"})).exit_code, 0);
  EXPECT_EQ(lines("scores.csv").size(), 5u);
}

TEST_F(ScoreTest, AFinishedRunIsNotDoneAgain) {
  write_folder(4);
  const ProgramResult first = run(score({"--resume"}));
  EXPECT_EQ(first.exit_code, 0) << first.err;
  const std::string table = bytes("scores.csv");
  const std::string record = bytes("scores.csv.run.json");
  const ProgramResult second = run(score({"--resume"}));
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_EQ(second.out, first.out);
  EXPECT_THAT(second.err, HasSubstr("the run is finished"));
  EXPECT_EQ(bytes("scores.csv"), table);
  EXPECT_EQ(bytes("scores.csv.run.json"), record);
  // Another model, another threshold: another run.
  expect_error(
      run({"score", "-m", "keras.h5", "--images", "set", "--gray", "-o", "scores.csv", "--resume"}),
      1, {"scores.csv.run.json", "preprocessing", "none", "gray"});
  expect_error(run(score({"--resume", "--threshold", "0.1"})), 1, {"threshold", "0.2", "0.1"});
}

TEST_F(ScoreTest, AJournalThatIsLeftIsNotDiscardedUnasked) {
  write_folder(6);
  write("set/0/0001.png", "text");
  run(score({"--max-bad", "0"}));
  expect_error(run(score()), 1, {"scores.csv.journal", "--resume", "--force"});
  expect_error(
      run({"score", "-m", "keras.h5", "--images", "set", "--gray", "-o", "scores.csv", "--resume"}),
      1, {"scores.csv.journal", "preprocessing"});
  EXPECT_EQ(run(score({"--force"})).exit_code, 0);
}

TEST_F(ScoreTest, FilesThatChangedBeforeTheOneToGoOnFromAreFound) {
  write_folder(200);
  write("set/1/0199.png", "text");
  run(score({"--max-bad", "0"}));
  ASSERT_TRUE(files().contains("scores.csv.journal"));
  std::filesystem::rename(folder_ / "set/0/0002.png", folder_ / "set/0/0003.png");
  expect_error(run(score({"--resume"})), 1, {"not those that were read before", "--force"});
}

TEST_F(ScoreTest, ReadsAListOnStandardInput) {
  write_folder(4);
  write("list.txt", "set/1/0003.png\nset/0/0000.png\nset/none.png\n");
  const ProgramResult result =
      run({"score", "-m", "model.h5", "--images", "-", "-o", "scores.jsonl"},
          {.standard_input = "list.txt"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::vector<std::string> paths;
  std::vector<std::string> statuses;
  for (const std::string& line : lines("scores.jsonl")) {
    const auto row = nlohmann::json::parse(line);
    paths.push_back(row["path"]);
    statuses.push_back(row["status"]);
  }
  EXPECT_EQ(paths, (std::vector<std::string>{"set/1/0003.png", "set/0/0000.png", "set/none.png"}));
  EXPECT_EQ(statuses, (std::vector<std::string>{"ok", "ok", "vanished"}));
}

TEST_F(ScoreTest, PreprocessingIsAskedForOrStatedNeverGuessed) {
  std::filesystem::create_directory(folder_ / "set");
  write("set/photo.png", encode_png(Picture(31, 17, 3, 200)));
  EXPECT_EQ(run(score()).exit_code, 1);
  EXPECT_THAT(lines("scores.csv")[1], HasSubstr("wrong-size"));
  EXPECT_THAT(lines("scores.csv")[1], HasSubstr("--resize 8x4 --gray"));
  const Arguments asked = {"--resize", "8x4", "--gray", "--force"};
  EXPECT_EQ(run(score(asked)).exit_code, 0);
  EXPECT_EQ(record()["run"]["preprocessing"], "gray, resize to 8x4");
  const std::string table = bytes("scores.csv");

  ModelFile model = read_model(folder_ / "model.h5");
  model.record->preprocessing = {.resize = ImageSize{8, 4}, .crop = false, .gray = true};
  write_model(folder_ / "model.h5", model);
  EXPECT_EQ(run(score({"--force"})).exit_code, 0);
  EXPECT_EQ(bytes("scores.csv"), table);
  EXPECT_EQ(run(score(asked)).exit_code, 0);
  expect_error(run(score({"--gray", "--force"})), 2, {"gray, resize to 8x4", "asked for: gray"});
}

TEST_F(ScoreTest, PreprocessingMustFitTheModel) {
  write_folder(2);
  expect_error(run(score({"--resize", "9x4"})), 2, {"9x4", "8x4x1"});
  expect_error(run(score({"--crop"})), 2, {"--crop", "--resize"});
  expect_error(run(score({"--resize", "8"})), 2, {"--resize"});
}

TEST_F(ScoreTest, ACacheGivesTheSameTable) {
  write_folder(150);
  write("set/0/0004.png", "text");
  EXPECT_EQ(run(score({"--cache", "images.cache"})).exit_code, 0);
  const std::string table = bytes("scores.csv");
  const ProgramResult second = run(score({"--cache", "images.cache", "--force"}));
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_THAT(second.err, HasSubstr("reading decoded images..."));
  EXPECT_EQ(bytes("scores.csv"), table);
  write("set/0/0004.png", bytes("set/0/0000.png"));
  const ProgramResult third = run(score({"--cache", "images.cache", "--force"}));
  EXPECT_THAT(third.err, HasSubstr("keeping decoded images..."));
  EXPECT_NE(bytes("scores.csv"), table);
}

TEST_F(ScoreTest, BadOptionsAndPlaces) {
  write_folder(2);
  expect_error(run({"score", "-m", "model.h5", "--images", "none", "-o", "scores.csv"}), 1,
               {"--images none"});
  expect_error(run({"score", "-m", "model.h5", "--images", "set", "-o", "scores.txt"}), 2,
               {"scores.txt"});
  expect_error(run({"score", "-m", "model.h5", "--images", "set", "-o", "none/scores.csv"}), 1,
               {"none", "create it"});
  expect_error(run({"score", "-m", "model.h5", "--images", "model.h5", "-o", "scores.csv"}), 1,
               {"model.h5"});
  EXPECT_FALSE(files().contains("scores.csv.journal")) << "what never began leaves nothing behind";
  expect_error(run({"score", "-m", "model.h5", "--images", "set", "-o", "/dev/full"}), 2,
               {"/dev/full"});
}

TEST_F(ScoreTest, AFullDiskKeepsWhatIsFinished) {
  write_folder(300);
  EXPECT_EQ(run(score()).exit_code, 0);
  const std::string table = bytes("scores.csv");
  {
    const FileSizeLimit limit(3000);
    const ProgramResult result = run(score({"--force"}));
    EXPECT_EQ(result.exit_code, 1) << result.err;
    EXPECT_THAT(result.err, HasSubstr("cannot write"));
    EXPECT_THAT(result.err, HasSubstr("--resume"));
  }
  const ProgramResult rest = run(score({"--resume"}));
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(bytes("scores.csv"), table);
}

}  // namespace
}  // namespace oddity::test
