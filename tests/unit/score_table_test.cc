#include "detect/score_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "core/error.h"
#include "files/atomic_file.h"
#include "support/error_text.h"
#include "support/npy_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kLimit = 1 << 24;
const std::vector<int64_t> kIndex{12, 3, 59999};
const std::vector<float> kScores{0.25F, 0.1F, 1e-05F};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(ScoreTable, WritesCsv) {
  const TemporaryFolder folder;
  write_scores(folder / "scores.csv", kIndex, kScores, 0.25);
  EXPECT_EQ(read_file(folder / "scores.csv", kLimit),
            "index,path,score,is_outlier,status,reason\n"
            "12,,0.25,true,ok,\n"
            "3,,0.10000000149011612,false,ok,\n"
            "59999,,9.999999747378752e-06,false,ok,\n");
}

TEST(ScoreTable, WritesJsonLines) {
  const TemporaryFolder folder;
  write_scores(folder / "scores.jsonl", kIndex, kScores, 0.25);
  const auto lines = lines_of(read_file(folder / "scores.jsonl", kLimit));
  ASSERT_EQ(lines.size(), kScores.size());
  EXPECT_EQ(lines[0],
            R"({"index": 12, "path": "", "score": 0.25, "is_outlier": true, "status": "ok", )"
            R"("reason": ""})");
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto row = nlohmann::json::parse(lines[i]);
    EXPECT_EQ(row.size(), 6u);
    EXPECT_EQ(row["index"], kIndex[i]);
    EXPECT_EQ(row["score"].get<float>(), kScores[i]);
    EXPECT_EQ(row["is_outlier"], i == 0);
    EXPECT_EQ(row["status"], "ok");
  }
}

TEST(ScoreTable, WritesNpy) {
  const TemporaryFolder folder;
  write_scores(folder / "scores.npy", kIndex, kScores, 0.25);
  const auto file = read_npy_file<float>(folder / "scores.npy");
  EXPECT_EQ(file.shape, std::vector<int64_t>{3});
  EXPECT_EQ(file.values, kScores);
}

TEST(ScoreTable, HoldsAHeaderAloneForAnEmptySet) {
  const TemporaryFolder folder;
  write_scores(folder / "scores.csv", {}, {}, 1);
  EXPECT_EQ(read_file(folder / "scores.csv", kLimit),
            "index,path,score,is_outlier,status,reason\n");
  write_scores(folder / "scores.npy", {}, {}, 1);
  EXPECT_EQ(read_npy_file<float>(folder / "scores.npy").shape, std::vector<int64_t>{0});
}

// A table longer than one block of writing, read as text, gives the very scores and outliers back.
TEST(ScoreTable, RoundTripsEveryScoreAndDecision) {
  const TemporaryFolder folder;
  std::vector<int64_t> index(5001);
  std::vector<float> scores(index.size());
  for (size_t i = 0; i < index.size(); ++i) {
    index[i] = static_cast<int64_t>(i);
    scores[i] = 1.0F / static_cast<float>(i * i + 3);
  }
  const double threshold = static_cast<double>(scores[2500]);  // one score lies exactly on it
  write_scores(folder / "scores.csv", index, scores, threshold);
  const auto lines = lines_of(read_file(folder / "scores.csv", kLimit));
  ASSERT_EQ(lines.size(), index.size() + 1);
  for (size_t i = 0; i < index.size(); ++i) {
    std::istringstream row(lines[i + 1]);
    std::string number, path, score, outlier;
    std::getline(std::getline(std::getline(std::getline(row, number, ','), path, ','), score, ','),
                 outlier, ',');
    ASSERT_EQ(number, std::to_string(i));
    ASSERT_EQ(std::strtof(score.c_str(), nullptr), scores[i]);
    ASSERT_EQ(outlier, std::strtod(score.c_str(), nullptr) >= threshold ? "true" : "false");
    ASSERT_EQ(outlier, i <= 2500 ? "true" : "false");
  }
}

TEST(ScoreTable, KnowsThreeSuffixes) {
  for (const char* name : {"a.csv", "a.jsonl", "dir/a.npy"}) {
    EXPECT_NO_THROW(check_score_suffix(name));
  }
  EXPECT_THAT(
      error_text<ArgumentError>([] { check_score_suffix("scores.txt"); }),
      AllOf(HasSubstr("scores.txt"), HasSubstr(".csv, .jsonl or .npy"), HasSubstr("\".txt\"")));
  EXPECT_THAT(error_text<ArgumentError>([] { check_score_suffix("scores"); }), HasSubstr("\"\""));
}

TEST(ScoreTable, RefusesWhatIsNoScore) {
  const TemporaryFolder folder;
  const std::vector<float> scores{1, std::nanf(""), 3};
  for (const char* name : {"a.csv", "a.jsonl", "a.npy"}) {
    EXPECT_THAT(error_text<Error>([&] { write_scores(folder / name, kIndex, scores, 1); }),
                AllOf(HasSubstr(name), HasSubstr("score of image 3 is nan")));
  }
  EXPECT_THAT(error_text<Error>(
                  [&] { write_scores(folder / "a.csv", kIndex, std::span(kScores).first(2), 1); }),
              HasSubstr("2 scores do not match 3 images"));
  EXPECT_EQ(folder.entries(), 0u);
}

}  // namespace
}  // namespace oddity::test
