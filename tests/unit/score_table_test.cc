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
using testing::StartsWith;

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

TEST(ScoreTable, NamesImagesByTheirPaths) {
  const TemporaryFolder folder;
  const std::vector<std::string> paths{"a.png", "b,\xff.png", ""};
  write_scores(folder / "scores.csv", kIndex, kScores, 0.25, paths);
  EXPECT_THAT(read_file(folder / "scores.csv", kLimit),
              AllOf(HasSubstr("\n12,a.png,0.25,"), HasSubstr("\n3,\"b,\\xff.png\",0.1"),
                    HasSubstr("\n59999,,")));
  EXPECT_THAT(error_text<Error>([&] {
                write_scores(folder / "scores.csv", kIndex, kScores, 0.25,
                             std::span(paths).first(2));
              }),
              HasSubstr("3 scores do not match 2 paths"));
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

/// A table of these rows, numbered from 0.
std::string table_of(const char* name, const std::vector<ScoreRow>& rows, double threshold = 1) {
  const TemporaryFolder folder;
  ScoreTable table(folder / name, rows.size(), threshold);
  for (size_t i = 0; i < rows.size(); ++i) table.add(static_cast<int64_t>(i), rows[i]);
  table.commit();
  return read_file(folder / name, kLimit);
}

const std::vector<ScoreRow> kMixed{
    {"a/1.png", ImageStatus::ok, 2, ""},
    {"a/2.png", ImageStatus::truncated, 0, "ends at byte 7, of \"9\""},
    {"a/3.png", ImageStatus::ok, .5F, ""},
    {"", ImageStatus::not_finite, 0, ""},
};

TEST(ScoreTable, HoldsBadRowsWithoutAScore) {
  EXPECT_EQ(table_of("a.csv", kMixed),
            "index,path,score,is_outlier,status,reason\n"
            "0,a/1.png,2.0,true,ok,\n"
            "1,a/2.png,,,truncated,\"ends at byte 7, of \"\"9\"\"\"\n"
            "2,a/3.png,0.5,false,ok,\n"
            "3,,,,not-finite,\n");
  EXPECT_EQ(lines_of(table_of("a.jsonl", kMixed))[1],
            R"({"index": 1, "path": "a/2.png", "score": null, "is_outlier": null, )"
            R"("status": "truncated", "reason": "ends at byte 7, of \"9\""})");
}

TEST(ScoreTable, HoldsBadRowsAsNaNInNpy) {
  const TemporaryFolder folder;
  ScoreTable table(folder / "a.npy", kMixed.size(), .5);
  EXPECT_EQ(table.outliers(), 0u);
  for (const ScoreRow& row : kMixed) table.add(0, row);
  EXPECT_EQ(table.outliers(), 2u);
  table.commit();
  const auto values = read_npy_file<float>(folder / "a.npy").values;
  ASSERT_EQ(values.size(), 4u);
  EXPECT_EQ(values[0], 2);
  EXPECT_TRUE(std::isnan(values[1]));
  EXPECT_EQ(values[2], .5F);
  EXPECT_EQ(std::bit_cast<uint32_t>(values[3]), 0x7FC00000u) << "the same bytes everywhere";
}

/// The fields of a row of RFC 4180, and the bytes that stand in `printable` text.
std::vector<std::string> csv_fields(const std::string& line) {
  std::vector<std::string> fields(1);
  bool is_quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && is_quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[++i];
    } else if (line[i] == '"') {
      is_quoted = !is_quoted;
    } else if (line[i] == ',' && !is_quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

std::string unescaped(const std::string& printable) {
  std::string bytes;
  for (size_t i = 0; i < printable.size(); ++i) {
    if (printable[i] != '\\') {
      bytes += printable[i];
    } else {
      bytes += static_cast<char>(std::stoi(printable.substr(i + 2, 2), nullptr, 16));
      i += 3;
    }
  }
  return bytes;
}

// A name is any bytes; a row is one line of UTF-8 that gives them back.
TEST(ScoreTable, GivesBackHostilePaths) {
  std::vector<ScoreRow> rows;
  for (const char* path :
       {"a,b.png", "a\"b\".png", "\"", "a\nb.png", "\r\n", "a\\b\\x0a.png", "\xFF\xFE.png",
        "\xE2\x80\xA8.png", "gr\xC3\xBC\xC3\x9F.png", "\x1B[31mred", "=1+1", " a ", "\t,\"\\"}) {
    rows.push_back({path, ImageStatus::ok, 1, ""});
    rows.push_back({path, ImageStatus::unreadable, 0, std::string("no \\x0a, ") + path});
  }
  const auto csv = lines_of(table_of("a.csv", rows));
  const auto jsonl = lines_of(table_of("a.jsonl", rows));
  ASSERT_EQ(csv.size(), rows.size() + 1);
  ASSERT_EQ(jsonl.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto fields = csv_fields(csv[i + 1]);
    const auto json = nlohmann::json::parse(jsonl[i]);  // throws for invalid UTF-8
    ASSERT_EQ(fields.size(), 6u) << csv[i + 1];
    EXPECT_EQ(unescaped(fields[1]), rows[i].path);
    EXPECT_EQ(json["path"], fields[1]);
    EXPECT_EQ(json["reason"], fields[5]);
    EXPECT_EQ(json["status"], fields[4]);
    if (i % 2) {
      EXPECT_THAT(fields[5], StartsWith("no \\x0a, ")) << "an escape is not escaped again";
    }
  }
}

TEST(ScoreTable, AppearsWholeOrNotAtAll) {
  const TemporaryFolder folder;
  for (const char* name : {"a.csv", "a.jsonl", "a.npy"}) {
    {
      ScoreTable table(folder / name, 2, 1);
      table.add(0, kMixed[0]);
      EXPECT_THAT(error_text<Error>([&] { table.commit(); }),
                  AllOf(HasSubstr(name), HasSubstr("2 rows were announced, 1 came")));
    }
    EXPECT_EQ(folder.entries(), 0u);
  }
  EXPECT_THAT(error_text<ArgumentError>([&] { ScoreTable(folder / "a.txt", 0, 1); }),
              HasSubstr(".csv, .jsonl or .npy"));
  ScoreTable moved = ScoreTable(folder / "a.csv", 0, 1);
  moved.commit();
  EXPECT_EQ(folder.entries(), 1u);
}

}  // namespace
}  // namespace oddity::test
