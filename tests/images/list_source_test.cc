#include "images/list_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/error.h"
#include "images/source_files.h"
#include "support/error_text.h"

namespace oddity::test {
namespace {

using namespace std::string_view_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A pipe as standard input is one.
class Pipe {
 public:
  Pipe() {
    if (::pipe(ends_) != 0) throw std::runtime_error("pipe failed");
  }
  ~Pipe() {
    close_writer();
    ::close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reader() const { return ends_[0]; }
  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = ::write(ends_[1], text.data(), text.size());
      if (written <= 0) throw std::runtime_error("write failed");
      text.remove_prefix(static_cast<size_t>(written));
    }
  }
  void close_writer() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2];
};

std::vector<Listed> listed(std::string_view text) {
  Pipe pipe;
  std::thread writer([&] {
    pipe.write(text);
    pipe.close_writer();
  });
  const auto source = open_list(pipe.reader());
  std::vector<Listed> entries;
  try {
    entries = rest_of(*source);
  } catch (...) {
    char rest[4096];
    while (::read(pipe.reader(), rest, sizeof(rest)) > 0) continue;
    writer.join();
    throw;
  }
  writer.join();
  return entries;
}

std::vector<std::string> paths(std::string_view text) { return paths_of(listed(text)); }

TEST(ListSource, TheFirstSeparatorDecides) {
  EXPECT_THAT(paths("a.png\nb c.png\n/d/e.png"), ElementsAre("a.png", "b c.png", "/d/e.png"));
  EXPECT_THAT(paths("a\nb.png\0c.png\0"sv), ElementsAre("a", "b.png\0c.png\0"sv));
  EXPECT_THAT(paths("a.png\0b\nc.png\0d"sv), ElementsAre("a.png", "b\nc.png", "d"));
  EXPECT_THAT(paths("a.png"), ElementsAre("a.png"));
}

TEST(ListSource, EmptyLinesAreNothing) {
  EXPECT_THAT(paths(""), IsEmpty());
  EXPECT_THAT(paths("\n\n\n"), IsEmpty());
  EXPECT_THAT(paths("\n\na\n\n\nb\n\n"), ElementsAre("a", "b"));
  EXPECT_THAT(paths("\0\0a\0\0b"sv), ElementsAre("a", "b"));
}

TEST(ListSource, EntriesAreFilesAsGiven) {
  const auto entries = listed("set/7/a.png\nb.png\n");
  EXPECT_EQ(entries.at(0).file, "set/7/a.png");
  EXPECT_EQ(entries.at(0).label, 7);
  EXPECT_EQ(entries.at(1).label, -1);
}

TEST(ListSource, APathWithANulNamesNoFile) {
  const auto entries = listed("a\n/etc/passwd\0.png\nb"sv);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[1].status, ImageStatus::unreadable);
  EXPECT_EQ(entries[2].status, ImageStatus::ok);
}

TEST(ListSource, LongListsComeWhole) {
  std::string text;
  std::vector<std::string> expected;
  for (int i = 0; i < 20000; ++i) {
    expected.push_back("folder/" + std::string(static_cast<size_t>(i % 97), 'x') +
                       std::to_string(i));
    text += expected.back() + "\n";
  }
  EXPECT_EQ(paths(text), expected);
}

TEST(ListSource, PathsHaveALimit) {
  const std::string longest(kMaxListedPath, 'x');
  EXPECT_THAT(paths(longest + "\nb"), ElementsAre(longest, "b"));
  EXPECT_THAT(paths("b\n" + longest), ElementsAre("b", longest));
  for (const std::string& text :
       {longest + "x\n", longest + "x", "a\n" + longest + "x\nb", std::string(1 << 20, 'x')}) {
    EXPECT_THAT(error_text<Error>([&] { listed(text); }), HasSubstr("more than 65536 bytes"));
  }
}

TEST(ListSource, WhatIsThereIsNotHeldBack) {
  Pipe pipe;
  const auto source = open_list(pipe.reader());
  SourceBatch batch;
  pipe.write("a\nb\nhalf");
  ASSERT_TRUE(source->next(batch, {}));
  EXPECT_EQ(batch.entries.size(), 2u);
  pipe.write(" c\n");
  ASSERT_TRUE(source->next(batch, {}));
  ASSERT_EQ(batch.entries.size(), 1u);
  EXPECT_EQ(batch.entries[0].path, "half c");
}

TEST(ListSource, StopEndsTheWaiting) {
  Pipe pipe;
  const auto source = open_list(pipe.reader());
  pipe.write("a\nhalf");
  SourceBatch batch;
  ASSERT_TRUE(source->next(batch, {}));
  std::thread other([&] { source->stop(); });
  EXPECT_FALSE(source->next(batch, {}));
  EXPECT_FALSE(source->next(batch, {}));
  other.join();
}

TEST(ListSource, SkippingIsReading) {
  const auto open = [](const Pipe& pipe) { return open_list(pipe.reader()); };
  for (uint64_t before : {0, 1, 3, 5}) {
    Pipe pipe;
    pipe.write("a\n\nb\nc");
    pipe.close_writer();
    const auto source = open(pipe);
    std::vector<std::string> all;
    EXPECT_EQ(source->skip(before, [&](const std::string& path) { all.push_back(path); }),
              std::min<uint64_t>(before, 3));
    for (const Listed& entry : rest_of(*source)) all.push_back(entry.path);
    EXPECT_THAT(all, ElementsAre("a", "b", "c"));
  }
}

TEST(ListSource, ReadingThatFailsIsAnError) {
  const int folder = ::open(".", O_RDONLY);
  const auto source = open_list(folder);
  SourceBatch batch;
  EXPECT_THAT(error_text<Error>([&] { source->next(batch, {}); }), HasSubstr("standard input"));
  ::close(folder);
}

TEST(FilesSource, FilesComeAsGiven) {
  const auto open = [] { return open_files({"5/a.png", "b.png", "/c.png"}); };
  const auto entries = rest_of(*open(), {.files = 2});
  EXPECT_THAT(paths_of(entries), ElementsAre("5/a.png", "b.png", "/c.png"));
  EXPECT_EQ(entries[0].label, 5);
  EXPECT_EQ(entries[2].file, "/c.png");
  EXPECT_EQ(open()->total(), 3u);
  EXPECT_EQ(skip_problem(open), "");
}

}  // namespace
}  // namespace oddity::test
