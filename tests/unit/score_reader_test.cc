#include "detect/score_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "detect/score_table.h"
#include "files/atomic_file.h"
#include "files/npy.h"
#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string error_of(const std::string& text) {
  return error_text<Error>([&] { parse_scores(text, "table"); });
}

/// Rows with every kind of score, status and name.
std::vector<ScoreRow> hostile_rows() {
  std::vector<ScoreRow> rows;
  const std::vector<float> scores{0,
                                  0.1F,
                                  1e-30F,
                                  std::numeric_limits<float>::max(),
                                  0.5F,
                                  3,
                                  std::numeric_limits<float>::denorm_min()};
  for (const char* path : {"", "a.png", "a,b.png", "a\"b\".png", "\"", "a\nb.png", "\r\n",
                           "a\\b\\x0a.png", "\xFF\xFE", "\xE2\x80\xA8.png",
                           "gr\xC3\xBC\xC3\x9F.png", "\x1B[31mred", " a ", "\t,\"\\", "\\x", "{"}) {
    rows.push_back({path, ImageStatus::ok, scores[rows.size() % scores.size()], ""});
    const auto status = static_cast<ImageStatus>(1 + rows.size() % (kImageStatuses - 1));
    rows.push_back({path, status, 0, std::string("because, ") + path});
  }
  return rows;
}

ScoreColumns round_trip(const char* name, const std::vector<ScoreRow>& rows, double threshold) {
  const TemporaryFolder folder;
  ScoreTable table(folder / name, rows.size(), threshold);
  for (size_t i = 0; i < rows.size(); ++i) table.add(static_cast<int64_t>(7 * i) - 3, rows[i]);
  table.commit();
  return read_scores(folder / name);
}

TEST(ScoreReader, GivesBackWhatWasWritten) {
  constexpr double kThreshold = 0.5;
  const std::vector<ScoreRow> rows = hostile_rows();
  for (const char* name : {"a.csv", "a.jsonl"}) {
    SCOPED_TRACE(name);
    const ScoreColumns table = round_trip(name, rows, kThreshold);
    ASSERT_EQ(table.size(), rows.size());
    ASSERT_EQ(table.index.size(), rows.size());
    ASSERT_EQ(table.path.size(), rows.size());
    ASSERT_EQ(table.is_outlier.size(), rows.size());
    ASSERT_EQ(table.status.size(), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(table.index[i], static_cast<int64_t>(7 * i) - 3);
      EXPECT_EQ(table.path[i], rows[i].path);
      EXPECT_EQ(table.status[i], rows[i].status);
      const bool is_ok = rows[i].status == ImageStatus::ok;
      ASSERT_EQ(table.is_outlier[i].has_value(), is_ok);
      if (is_ok) {
        EXPECT_EQ(table.score[i], static_cast<double>(rows[i].score));
        EXPECT_EQ(*table.is_outlier[i], table.score[i] >= kThreshold);
      } else {
        EXPECT_TRUE(std::isnan(table.score[i]));
      }
    }
  }
}

TEST(ScoreReader, GivesBackTheScoresOfNpy) {
  const std::vector<ScoreRow> rows = hostile_rows();
  const ScoreColumns table = round_trip("a.npy", rows, 0.5);
  ASSERT_EQ(table.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].status == ImageStatus::ok) {
      EXPECT_EQ(table.score[i], static_cast<double>(rows[i].score));
    } else {
      EXPECT_TRUE(std::isnan(table.score[i]));
    }
  }
  EXPECT_THAT(table.index, IsEmpty());
  EXPECT_THAT(table.path, IsEmpty());
  EXPECT_THAT(table.is_outlier, IsEmpty());
  EXPECT_THAT(table.status, IsEmpty());
}

TEST(ScoreReader, IsRecognisedByItsContent) {
  const TemporaryFolder folder;
  const std::vector<int64_t> index{4, 5};
  const std::vector<float> scores{0.25F, 0.5F};
  for (const char* suffix : {".csv", ".jsonl", ".npy"}) {
    const auto named = folder / (std::string("a") + suffix);
    write_scores(named, index, scores, 1);
    std::filesystem::rename(named, folder / "a");
    const ScoreColumns table = read_scores(folder / "a");
    EXPECT_THAT(table.score, ElementsAre(0.25, 0.5)) << suffix;
    EXPECT_THAT(table.path, IsEmpty()) << "no row has one";
  }
}

TEST(ScoreReader, ReadsDoublesOfNpy) {
  const std::vector<double> scores{0.1, 1e300};
  std::string bytes = npy_header("<f8", std::array<int64_t, 1>{2});
  bytes.append(reinterpret_cast<const char*>(scores.data()), scores.size() * sizeof(double));
  EXPECT_EQ(parse_scores(bytes, "table").score, scores);
}

TEST(ScoreReader, NeedsNoColumnButTheScore) {
  const ScoreColumns csv = parse_scores("more,score\nx,1\n\"a\n\"\"b\"\"\",-2e-3\n,", "table");
  ASSERT_EQ(csv.size(), 3u);
  EXPECT_EQ(csv.score[0], 1);
  EXPECT_EQ(csv.score[1], -2e-3);
  EXPECT_TRUE(std::isnan(csv.score[2]));
  EXPECT_THAT(csv.index, IsEmpty());
  EXPECT_THAT(csv.status, IsEmpty());

  const ScoreColumns json = parse_scores(
      "{\"score\": 1, \"more\": [{\"score\": 7}, null]}\n{\"more\": {}, \"score\": null}", "table");
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json.score[0], 1);
  EXPECT_TRUE(std::isnan(json.score[1]));
  EXPECT_THAT(json.is_outlier, IsEmpty());
}

TEST(ScoreReader, ReadsWhatSpreadsheetsMakeOfATable) {
  const ScoreColumns table = parse_scores(
      "\xEF\xBB\xBF\"index\",\"is_outlier\",\"score\"\r\n1,True,\"0.5\"\r\n2,False,0.25\r\n",
      "table");
  EXPECT_THAT(table.index, ElementsAre(1, 2));
  EXPECT_THAT(table.score, ElementsAre(0.5, 0.25));
  EXPECT_TRUE(*table.is_outlier[0]);
  EXPECT_FALSE(*table.is_outlier[1]);
}

TEST(ScoreReader, NamesLineAndValue) {
  struct Case {
    std::string text;
    std::vector<std::string> parts;
  };
  const std::string ok = "index,score\n0,1\n";
  for (const auto& [text, parts] : std::vector<Case>{
           {"", {"table: the file is empty"}},
           {"\xEF\xBB\xBF", {"table: the file is empty"}},
           {"index,score\n", {"table: holds no rows"}},
           {"index,path\n0,a\n", {"table:1: ", "score", "index, path"}},
           {"score,index,score\n", {"table:1: two columns are named score"}},
           {ok + "1\n", {"table:3: 1 fields", "2 columns"}},
           {ok + "1,2,3,4\n", {"table:3: 3 fields or more", "2 columns"}},
           {ok + "1,\"2\n3,4\n", {"table:3: a quote is not closed"}},
           {ok + "1,\"2\"3\n", {"table:3: text behind a closing quote"}},
           {ok + "1,2\"\n", {"table:3: a quote within a field"}},
           {ok + "\n", {"table:3: 1 fields", "2 columns"}},
           {"more,score\n\"a\nb\",1\nc,x\n", {"table:4: score \"x\""}},
           {ok + "1,1e400\n", {"table:3: score \"1e400\"", "not a finite number"}},
           {ok + "1,nan\n", {"table:3: score \"nan\""}},
           {ok + "1,inf\n", {"table:3: score \"inf\""}},
           {ok + "1, 2\n", {"table:3: score \" 2\""}},
           {ok + "1.0,2\n", {"table:3: index \"1.0\""}},
           {ok + ",2\n", {"table:3: index \"\""}},
           {ok + "99999999999999999999,2\n", {"table:3: index"}},
           {ok + "\x1b[31m,2\n", {"table:3: index \"\\x1b[31m\""}},
           {ok + std::string(1000, '1') + ",2\n", {"111…\""}},
           {"score,is_outlier\n1,yes\n", {"table:2: is_outlier \"yes\""}},
           {"score,is_outlier\n,true\n", {"table:2: is_outlier \"true\" and score \"\""}},
           {"score,is_outlier\n1,\n", {"table:2: is_outlier \"\" and score \"1.0\""}},
           {"score,status\n1,bad\n", {"table:2: status \"bad\""}},
           {"score,status\n1,truncated\n", {"table:2: status \"truncated\" and score \"1.0\""}},
           {"score,status\n,ok\n", {"table:2: status \"ok\" and score \"\""}},
           {"{\"score\": 1}\n{\"score\": }\n", {"table:2: not a JSON object", "byte 11"}},
           {"{\"score\": 1}\n[1]\n", {"table:2: an array"}},
           {"{\"score\": 1}\n\n", {"table:2: not a JSON object"}},
           {"{\"score\": 1}\n1\n", {"table:2: not a JSON object, but a number"}},
           {"{\"score\": 1} {\"score\": 1}\n", {"table:1: not a JSON object"}},
           {std::string("{\"score\": 1}\0\n", 14), {"table:1: ", "zero byte"}},
           {"{\"index\": 1}\n", {"table:1: there is no score"}},
           {"{\"score\": 1, \"score\": 2}\n", {"table:1: the key score is there twice"}},
           {"{\"score\": \"1\"}\n", {"table:1: score is a string"}},
           {"{\"score\": true}\n", {"table:1: score is true or false"}},
           {"{\"score\": [1]}\n", {"table:1: score is an array"}},
           {"{\"score\": {\"score\": 1}}\n", {"table:1: score is an object"}},
           {"{\"score\": 1e999}\n", {"table:1: "}},
           {"{\"score\": 1, \"index\": 1.5}\n", {"table:1: index \"1.5\""}},
           {"{\"score\": 1, \"index\": null}\n", {"table:1: index \"\""}},
           {"{\"score\": 1, \"path\": 1}\n", {"table:1: path is a number"}},
           {"{\"score\": 1, \"path\": \"\xFF\"}\n", {"table:1: not a JSON object"}},
           {"{\"score\": 1, \"index\": 1}\n{\"score\": 1}\n", {"table:2: other keys"}},
       }) {
    const std::string message = error_of(text);
    for (const std::string& part : parts) EXPECT_THAT(message, HasSubstr(part)) << text;
    EXPECT_THAT(message, StartsWith("table"));
    EXPECT_EQ(message.find('\n'), std::string::npos) << "one line";
  }
}

TEST(ScoreReader, RefusesOtherArrays) {
  const auto array = [](const char* type, std::vector<int64_t> shape, std::string data) {
    return npy_header(type, shape) + data;
  };
  const std::string infinity("\0\0\x80\x7f", 4);
  EXPECT_THAT(error_of(array("<f4", {2}, std::string(4, '\0') + infinity)),
              AllOf(HasSubstr("table: score 1 is inf"), HasSubstr("finite")));
  EXPECT_THAT(error_of(array("<f4", {0}, "")), HasSubstr("table: holds no rows"));
  EXPECT_THAT(error_of(array("<f4", {1, 1}, std::string(4, '\0'))),
              AllOf(HasSubstr("table: <f4 of shape (1, 1)"), HasSubstr("(N,)")));
  EXPECT_THAT(error_of(array("<i4", {1}, std::string(4, '\0'))), HasSubstr("table: <i4 of shape"));
  EXPECT_THAT(error_of(array("<f4", {2}, std::string(4, '\0'))),
              HasSubstr("need 8 bytes, there are 4"));
}

TEST(ScoreReader, NamesTheFileThatIsNotThere) {
  EXPECT_THAT(error_text<Error>([] { read_scores("nowhere/a.csv"); }), HasSubstr("nowhere/a.csv"));
}

}  // namespace
}  // namespace oddity::test
