#include "detect/journal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "core/error.h"
#include "core/hash.h"
#include "files/atomic_file.h"
#include "support/error_text.h"
#include "support/file_size_limit.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kLimit = 1 << 24;
const std::string kIdentity = "a run \n of \"somebody\"";
constexpr size_t kBlockHeader = 33;
constexpr size_t kHash = 8;
const size_t kFirstBlock = 8 + 4 + kIdentity.size() + kHash;

ScoreRow good(std::string path, float score) {
  return {std::move(path), ImageStatus::ok, score, ""};
}
ScoreRow bad(std::string path, ImageStatus status, std::string reason) {
  return {std::move(path), status, 0, std::move(reason)};
}

/// Row `i` of a long set: every third one is bad, paths have all lengths up to 300.
ScoreRow row_of(uint64_t i) {
  std::string path(i * 7 % 301, static_cast<char>(i * 31));
  if (i % 3 != 2) return good(path, static_cast<float>(i) / 7);
  return bad(path, static_cast<ImageStatus>(1 + i % (kImageStatuses - 1)), "reason " + path);
}

std::vector<ScoreRow> rows_of(uint64_t begin, uint64_t end) {
  std::vector<ScoreRow> rows;
  for (; begin < end; ++begin) rows.push_back(row_of(begin));
  return rows;
}

SourcePosition position_of(uint64_t rows) { return {rows * 2, rows * 0x9E3779B97F4A7C15u}; }

void append(Journal& journal, uint64_t begin, uint64_t end, bool last = false) {
  journal.append(rows_of(begin, end), position_of(end), last);
}

std::vector<ScoreRow> all_rows(const Journal& journal) {
  std::vector<ScoreRow> rows;
  journal.for_each([&](const ScoreRow& row) { rows.push_back(row); });
  return rows;
}

void expect_rows(const std::vector<ScoreRow>& rows, uint64_t count) {
  ASSERT_EQ(rows.size(), count);
  for (size_t i = 0; i < rows.size(); ++i) {
    const ScoreRow expected = row_of(i);
    ASSERT_EQ(rows[i].path, expected.path) << i;
    ASSERT_EQ(rows[i].status, expected.status) << i;
    ASSERT_EQ(std::bit_cast<uint32_t>(rows[i].score), std::bit_cast<uint32_t>(expected.score)) << i;
    ASSERT_EQ(rows[i].reason, expected.reason) << i;
  }
}

std::string content(const fs::path& path) { return read_file(path, kLimit); }

std::string resume_error(const fs::path& path) {
  return error_text<Error>([&] { Journal::resume(path); });
}

class JournalTest : public testing::Test {
 protected:
  Journal create(bool replace = false) { return Journal::create(path(), kIdentity, replace); }
  fs::path path() const { return folder_ / "scores.csv.journal"; }
  /// The bytes of a journal with blocks that end behind these rows.
  std::string bytes_with(const std::vector<uint64_t>& ends, bool complete = false) {
    Journal journal = create(true);
    uint64_t begin = 0;
    for (const uint64_t end : ends) {
      append(journal, begin, end, complete && end == ends.back());
      begin = end;
    }
    return content(path());
  }
  /// Neither write_file() nor over the old file: both wait for the disk, and this is done often.
  void put(std::string_view bytes) const {
    fs::remove(path());
    std::ofstream(path(), std::ios::binary) << bytes;
  }

  TemporaryFolder folder_;
};

TEST_F(JournalTest, GivesBackWhatWasAdded) {
  {
    Journal journal = create();
    EXPECT_EQ(journal.rows(), 0u);
    EXPECT_EQ(journal.position(), SourcePosition{});
    append(journal, 0, 1);
    append(journal, 1, 1);  // nothing but left-out entries
    append(journal, 1, 1500);
    EXPECT_EQ(journal.rows(), 1500u);
    EXPECT_EQ(journal.bad_rows(), 500u);
    expect_rows(all_rows(journal), 1500);
    append(journal, 1500, 1501);  // the journal is open still
    expect_rows(all_rows(journal), 1501);
  }
  for (int twice = 0; twice < 2; ++twice) {
    const Journal journal = Journal::resume(path());
    EXPECT_EQ(journal.identity(), kIdentity);
    EXPECT_EQ(journal.rows(), 1501u);
    EXPECT_EQ(journal.bad_rows(), 500u);
    EXPECT_EQ(journal.position(), position_of(1501));
    EXPECT_FALSE(journal.complete());
    expect_rows(all_rows(journal), 1501);
  }
  {
    Journal journal = Journal::resume(path());
    append(journal, 1501, 1502, true);
    EXPECT_TRUE(journal.complete());
    EXPECT_THAT(error_text<Error>([&] { append(journal, 1502, 1503); }), HasSubstr("complete"));
  }
  Journal journal = Journal::resume(path());
  EXPECT_TRUE(journal.complete());
  expect_rows(all_rows(journal), 1502);
  journal.remove();
  EXPECT_EQ(folder_.entries(), 0u);
  EXPECT_NO_THROW(journal.remove()) << "what is gone is gone";
}

TEST_F(JournalTest, GoesOnAsIfItHadNotStopped) {
  const std::string whole = bytes_with({5, 40, 41}, true);
  { Journal journal(create(true)); }
  for (const auto& [begin, end] : {std::pair{0, 5}, {5, 40}, {40, 41}}) {
    Journal journal = Journal::resume(path());
    append(journal, begin, end, end == 41);
  }
  EXPECT_EQ(content(path()), whole);
}

TEST_F(JournalTest, HoldsPathsOfAnyBytes) {
  const std::string all_bytes = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    return bytes;
  }();
  const std::vector<ScoreRow> rows{good(all_bytes, -0.0F), bad("", ImageStatus::vanished, ""),
                                   good(std::string(1 << 20, 'x'), 1e-45F),
                                   bad(all_bytes, ImageStatus::unreadable, "a\nb")};
  create().append(rows, {}, false);
  const auto back = all_rows(Journal::resume(path()));
  ASSERT_EQ(back.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(back[i].path, rows[i].path);
    EXPECT_EQ(back[i].reason, rows[i].reason);
    EXPECT_EQ(std::bit_cast<uint32_t>(back[i].score), std::bit_cast<uint32_t>(rows[i].score));
  }
}

TEST_F(JournalTest, TakesNoScoreThatIsNone) {
  Journal journal = create();
  const std::vector<ScoreRow> rows{good("a\n.png", std::numeric_limits<float>::quiet_NaN())};
  EXPECT_THAT(error_text<Error>([&] { journal.append(rows, {}, false); }),
              HasSubstr("the score of a\\x0a.png is nan"));
  append(journal, 0, 3);
  expect_rows(all_rows(journal), 3);
}

// The program may die within any write: what is left of the last block does not count.
TEST_F(JournalTest, DropsATornEndAtEveryByte) {
  const std::string before = bytes_with({30});
  const std::string whole = bytes_with({30, 33});
  for (size_t size = before.size(); size < whole.size(); ++size) {
    for (const size_t zeros : {size_t{0}, size_t{1}, size_t{5000}}) {  // after a power cut
      SCOPED_TRACE(testing::Message() << size << " bytes, " << zeros << " zeros");
      put(whole.substr(0, size) + std::string(zeros, '\0'));
      {
        Journal journal = Journal::resume(path());
        ASSERT_EQ(journal.rows(), 30u);
        ASSERT_EQ(journal.position(), position_of(30));
        ASSERT_EQ(fs::file_size(path()), before.size());
        append(journal, 30, 33);
      }
      ASSERT_EQ(content(path()), whole);
    }
  }
}

TEST_F(JournalTest, HasNotBegunBeforeItsHeaderIsWhole) {
  EXPECT_FALSE(Journal::begun(path()));
  const std::string header = bytes_with({});
  ASSERT_EQ(header.size(), kFirstBlock);
  for (size_t size = 0; size < header.size(); ++size) {
    SCOPED_TRACE(size);
    put(header.substr(0, size));
    ASSERT_FALSE(Journal::begun(path()));
    ASSERT_THAT(resume_error(path()), HasSubstr("ends within its header: start anew with --force"));
    create();  // is in nobody's way
    ASSERT_TRUE(Journal::begun(path()));
  }
}

TEST_F(JournalTest, NoticesEveryFlippedBit) {
  const std::string whole = bytes_with({4, 8, 9});
  const size_t last = bytes_with({4, 8}).size();
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    put(bytes);
    const std::string error = resume_error(path());
    SCOPED_TRACE(testing::Message() << "bit " << bit << " " << error);
    if (bit / 8 < kFirstBlock) {
      ASSERT_THAT(error, HasSubstr("--force"));
      ASSERT_EQ(content(path()), bytes);
    } else if (bit / 8 < last) {
      ASSERT_THAT(error, AllOf(HasSubstr("is damaged at byte"), HasSubstr("--force")));
      ASSERT_EQ(content(path()), bytes) << "nothing is lost by trying";
    } else if (error == "(no error)") {
      ASSERT_EQ(fs::file_size(path()), last) << "taken for torn";
    }
  }
}

TEST_F(JournalTest, NamesTheDamagedByte) {
  const size_t second = bytes_with({4}).size();
  std::string bytes = bytes_with({4, 8, 9});
  bytes[second + kBlockHeader] ^= 1;
  put(bytes);
  EXPECT_THAT(resume_error(path()),
              AllOf(HasSubstr("scores.csv.journal is damaged at byte " + std::to_string(second))));
}

/// A block whose checksums are right, whatever it holds.
std::string block_of(uint32_t rows, const std::string& payload, std::optional<uint32_t> length = {},
                     uint8_t last = 0) {
  const auto put = [](std::string& out, auto value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  std::string block;
  put(block, length.value_or(static_cast<uint32_t>(payload.size())));
  put(block, rows);
  put(block, uint64_t{0});
  put(block, uint64_t{0});
  put(block, last);
  put(block, Hash().add(block).value());
  block += payload;
  put(block, Hash().add(block).value());
  return block;
}

// Nothing that a file states is believed, even where its checksums are right.
TEST_F(JournalTest, RefusesWhatIsNotMadeOfRows) {
  using namespace std::string_literals;
  const std::string header = bytes_with({});
  const std::string ok = "\0\0\0\0\0\1x"s;  // 0, "x"
  put(header + block_of(1, ok) + block_of(1, "\1\0\0"s));
  EXPECT_EQ(resume_error(path()), "(no error)");
  const std::string huge = "\xFF\xFF\xFF\xFF\x0F"s;  // 2³² − 1
  for (const std::string& block :
       {block_of(2, ok), block_of(0, ok), block_of(0xFFFFFFFF, ok), block_of(1, ok + ok),
        block_of(1, ""), block_of(1, "\xFF"), block_of(1, "\x09\0\0"s), block_of(1, "\0\0\0"s),
        block_of(1, "\0\0\0\xC0\x7F\0"s), block_of(1, "\1" + huge), block_of(1, "\1\0" + huge),
        block_of(1, "\1\0\x80"s), block_of(1, "\1\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1"s)}) {
    put(header + block_of(1, ok) + block);
    EXPECT_THAT(resume_error(path()), AllOf(HasSubstr("the block at byte"), HasSubstr("--force")));
    EXPECT_EQ(content(path()), header + block_of(1, ok) + block);
  }
  put(header + block_of(1, ok, {}, 2) + block_of(1, ok));
  EXPECT_THAT(resume_error(path()), HasSubstr("damaged at byte"));
  put(header + block_of(1, ok, {}, 1) + block_of(1, ok));
  EXPECT_THAT(resume_error(path()), HasSubstr("goes on behind its last block"));
}

TEST_F(JournalTest, TakesNoMemoryForLengthsAlone) {
  const std::string header = bytes_with({});
  put(header + block_of(1, "", 0xFFFFFFFF));  // as torn as can be
  EXPECT_EQ(resume_error(path()), "(no error)");
  EXPECT_EQ(content(path()), header);
  std::string long_identity = header;
  long_identity.replace(8, 4, "\xFF\xFF\xFF\xFF");
  put(long_identity);
  EXPECT_THAT(resume_error(path()), HasSubstr("damaged in its header"));
  EXPECT_THAT(
      error_text<Error>([&] { Journal::create(path(), std::string((16 << 20) + 1, 'x'), true); }),
      HasSubstr("a journal holds 16777216"));
}

TEST_F(JournalTest, KeepsItsBlocksWhereTheDiskIsFull) {
  const std::string before = bytes_with({30});
  const std::string whole = bytes_with({30, 60});
  put(before);
  Journal journal = Journal::resume(path());
  for (size_t size = before.size(); size < whole.size(); size += 7) {
    const FileSizeLimit limit(size);
    ASSERT_THAT(error_text<Error>([&] { append(journal, 30, 60); }),
                HasSubstr("File too large: raise the limit (ulimit -f) and go on with --resume"));
    ASSERT_EQ(journal.rows(), 30u);
    ASSERT_EQ(journal.position(), position_of(30));
    ASSERT_EQ(fs::file_size(path()), before.size());
  }
  append(journal, 30, 60);  // somebody has freed some space
  EXPECT_EQ(content(path()), whole);
  expect_rows(all_rows(journal), 60);
}

TEST_F(JournalTest, LeavesNothingWhereItCannotBegin) {
  const FileSizeLimit limit(kFirstBlock - 1);
  EXPECT_THAT(error_text<Error>([&] { create(); }), HasSubstr("File too large"));
  EXPECT_EQ(folder_.entries(), 0u);
}

TEST_F(JournalTest, IsOneProgramsAtATime) {
  std::optional<Journal> journal(create());
  append(*journal, 0, 3);
  const std::string bytes = content(path());
  for (const auto& attempt : std::vector<std::function<void()>>{
           [&] { Journal::resume(path()); }, [&] { create(); }, [&] { create(true); }}) {
    EXPECT_THAT(error_text<Error>(attempt),
                AllOf(HasSubstr("scores.csv.journal"), HasSubstr("another oddity is writing it")));
  }
  EXPECT_EQ(content(path()), bytes);
  Journal moved = std::move(*journal);
  journal.reset();
  EXPECT_THAT(resume_error(path()), HasSubstr("another oddity"));
  append(moved, 3, 4);
  expect_rows(all_rows(moved), 4);
}

TEST_F(JournalTest, IsReplacedOnRequestOnly) {
  bytes_with({3});
  EXPECT_THAT(error_text<Error>([&] { create(); }),
              AllOf(HasSubstr("exists: go on with --resume"), HasSubstr("--force")));
  EXPECT_EQ(Journal::resume(path()).rows(), 3u);
  EXPECT_EQ(create(true).rows(), 0u);
  EXPECT_EQ(Journal::resume(path()).rows(), 0u);
}

TEST_F(JournalTest, TouchesNothingThatIsNoJournal) {
  for (const char* bytes : {"a", "ODDITYJ", "notes of mine, much longer than a header"}) {
    put(bytes);
    if (std::string_view("ODDITYJ1").starts_with(bytes)) continue;
    EXPECT_THAT(error_text<Error>([&] { create(); }), HasSubstr("is no journal of this version"));
    EXPECT_THAT(error_text<Error>([&] { Journal::begun(path()); }), HasSubstr("is no journal"));
    EXPECT_THAT(resume_error(path()), HasSubstr("is no journal"));
    EXPECT_EQ(content(path()), bytes);
  }
  fs::remove(path());

  for (const char* target : {"target", "nothing"}) {
    write_file(folder_ / "target", "precious");
    fs::create_symlink(target, path());
    EXPECT_THAT(error_text<Error>([&] { create(true); }), HasSubstr("symbolic link: remove it"));
    EXPECT_THAT(error_text<Error>([&] { Journal::begun(path()); }), HasSubstr("symbolic link"));
    EXPECT_THAT(resume_error(path()), HasSubstr("symbolic link"));
    EXPECT_EQ(content(folder_ / "target"), "precious");
    fs::remove(path());
  }
  EXPECT_FALSE(fs::exists(folder_ / "nothing"));

  fs::create_directory(path());
  EXPECT_THAT(error_text<Error>([&] { create(true); }), HasSubstr("scores.csv.journal"));
  fs::remove(path());
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_THAT(error_text<Error>([&] { create(true); }), HasSubstr("it is no file"));
  EXPECT_THAT(resume_error(path()), HasSubstr("it is no file"));
  fs::remove(path());

  // Another name of a replaced journal keeps what it held.
  bytes_with({3});
  fs::create_hard_link(path(), folder_ / "kept");
  create(true);
  EXPECT_EQ(Journal::resume(folder_ / "kept").rows(), 3u);
}

TEST_F(JournalTest, NamesAMissingFileOrFolder) {
  EXPECT_THAT(resume_error(path()), HasSubstr("No such file"));
  EXPECT_THAT(error_text<Error>([&] { Journal::create(folder_ / "none" / "a", kIdentity, false); }),
              AllOf(HasSubstr("none/a"), HasSubstr("No such file")));
}

TEST_F(JournalTest, SaysWhereItWasChangedMeanwhile) {
  Journal journal = create();
  append(journal, 0, 3);
  const int file = ::open(path().c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  EXPECT_EQ(::pwrite(file, "!", 1, kFirstBlock + kBlockHeader), 1);
  EXPECT_THAT(error_text<Error>([&] { all_rows(journal); }), HasSubstr("was changed at byte"));
  EXPECT_EQ(::ftruncate(file, kFirstBlock + 1), 0);
  EXPECT_THAT(error_text<Error>([&] { all_rows(journal); }), HasSubstr("became shorter"));
  ::close(file);
}

// kill -9 at any moment: what is left are the rows of the first blocks, and none of them is lost
// that the child had reported.
TEST_F(JournalTest, SurvivesItsProgram) {
  constexpr uint64_t kRows = 20;  // a block
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    int reports[2];
    ASSERT_EQ(::pipe2(reports, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Journal journal = create(true);
      for (uint64_t begin = 0;; begin += kRows) {
        append(journal, begin, begin + kRows);
        const uint64_t end = begin + kRows;
        if (::write(reports[1], &end, sizeof end) != sizeof end) ::_exit(1);
      }
    }
    ::close(reports[1]);
    uint64_t reported = 0;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(3 + round * 5);
    do {
      ASSERT_EQ(::read(reports[0], &reported, sizeof reported), ssize_t{sizeof reported});
    } while (std::chrono::steady_clock::now() < until);
    ::kill(child, SIGKILL);
    while (::read(reports[0], &reported, sizeof reported) == ssize_t{sizeof reported}) {
    }
    ::close(reports[0]);
    ::waitpid(child, nullptr, 0);
    const Journal journal = Journal::resume(path());
    EXPECT_GE(journal.rows(), reported);
    EXPECT_EQ(journal.rows() % kRows, 0u);
    EXPECT_EQ(journal.position(), position_of(journal.rows()));
    expect_rows(all_rows(journal), journal.rows());
  }
}

TEST(JournalPath, StandsBesideTheOutput) {
  EXPECT_EQ(journal_path("a/scores.csv"), "a/scores.csv.journal");
}

}  // namespace
}  // namespace oddity::test
