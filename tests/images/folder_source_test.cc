#include "images/folder_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
#include "images/source_files.h"
#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FolderSourceTest : public testing::Test {
 protected:
  void add(const std::string& name) { write_below(folder_.path(), name, "x"); }
  std::unique_ptr<ImageSource> open() const { return open_folder(folder_.path(), ""); }
  std::vector<std::string> paths() const { return paths_of(rest_of(*open())); }

  TemporaryFolder folder_;
};

TEST_F(FolderSourceTest, FilesComeInTheOrderOfTheBytesOfTheirPaths) {
  std::vector<std::string> names{"a-b", "a/b",  "a.b",   "a0",     "a/b-c", "a/d/e", "a/d.e",
                                 "B",   "\xff", "z/a/b", "a/d-/x", "ab/c",  "\x01",  "a b"};
  for (const std::string& name : names) add(name);
  std::sort(names.begin(), names.end());  // char_traits<char> compares bytes as unsigned
  EXPECT_EQ(paths(), names);
}

TEST_F(FolderSourceTest, EntriesSayWhereTheFileIs) {
  add("a/b.png");
  const auto entries = rest_of(*open_folder(folder_.path(), "set/"));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].path, "set/a/b.png");
  EXPECT_EQ(entries[0].file, (folder_ / "a/b.png").string());
  EXPECT_EQ(entries[0].status, ImageStatus::ok);
}

TEST_F(FolderSourceTest, HiddenFilesAndWhatIsNoFileAreLeftOut) {
  for (const char* name : {".a.png", ".git/a.png", "b/.c/d.png", "b/e.png", "b/...png"}) add(name);
  ASSERT_EQ(::mkfifo((folder_ / "pipe.png").c_str(), 0600), 0);
  fs::create_directory(folder_ / "empty");
  EXPECT_THAT(paths(), ElementsAre("b/e.png"));
}

TEST_F(FolderSourceTest, TheFolderIsTheLabel) {
  for (const char* name :
       {"7/a", "007/a", "12/b/a", "3x/a", "-1/a", "2147483647/a", "2147483648/a", "+5/a", "top"}) {
    add(name);
  }
  std::vector<std::pair<std::string, int32_t>> labels;
  for (const Listed& entry : rest_of(*open())) labels.emplace_back(entry.path, entry.label);
  using testing::Pair;
  EXPECT_THAT(labels, testing::UnorderedElementsAre(
                          Pair("7/a", 7), Pair("007/a", 7), Pair("12/b/a", -1), Pair("3x/a", -1),
                          Pair("-1/a", -1), Pair("2147483647/a", 2147483647),
                          Pair("2147483648/a", -1), Pair("+5/a", -1), Pair("top", -1)));
  EXPECT_EQ(rest_of(*open_folder(folder_ / "7", "")).at(0).label, 7);
  EXPECT_EQ(rest_of(*open_folder(folder_ / "7/", "")).at(0).label, 7);
}

TEST_F(FolderSourceTest, LinksAreFollowedUnlessTheyLeadBack) {
  add("real/a.png");
  add("real/deep/b.png");
  fs::create_directory_symlink("..", folder_ / "real/deep/back");
  fs::create_directory_symlink("real/deep", folder_ / "linked");
  fs::create_symlink("nowhere", folder_ / "dangling.png");
  fs::create_symlink("itself.png", folder_ / "itself.png");
  const auto entries = rest_of(*open());
  EXPECT_THAT(paths_of(entries),
              ElementsAre("dangling.png", "itself.png", "linked/b.png", "linked/back/a.png",
                          "linked/back/deep", "real/a.png", "real/deep/b.png", "real/deep/back"));
  for (const Listed& entry : entries) {
    const bool is_loop = entry.path == "linked/back/deep" || entry.path == "real/deep/back";
    EXPECT_EQ(entry.status, is_loop ? ImageStatus::unreadable : ImageStatus::ok) << entry.path;
    if (is_loop) {
      EXPECT_THAT(entry.reason, HasSubstr("link back"));
    }
  }
}

TEST_F(FolderSourceTest, AFolderThatCannotBeOpenedIsARow) {
  add("a/b.png");
  add("c/d.png");
  fs::permissions(folder_ / "a", fs::perms::none);
  const auto entries = rest_of(*open());
  fs::permissions(folder_ / "a", fs::perms::owner_all);
  if (::geteuid() == 0) GTEST_SKIP() << "root may open every folder";
  EXPECT_THAT(paths_of(entries), ElementsAre("a", "c/d.png"));
  EXPECT_EQ(entries[0].status, ImageStatus::unreadable);
  EXPECT_THAT(entries[0].reason, HasSubstr("ermission"));
}

TEST_F(FolderSourceTest, AFolderThatIsGoneWhenItsTurnComesIsARow) {
  add("a.png");
  add("b/c.png");
  add("d.png");
  const auto source = open();
  fs::remove_all(folder_ / "b");
  const auto entries = rest_of(*source);
  EXPECT_THAT(paths_of(entries), ElementsAre("a.png", "b", "d.png"));
  EXPECT_EQ(entries.at(1).status, ImageStatus::vanished);
}

TEST_F(FolderSourceTest, DeepTreesEndWhereTheSystemDoes) {
  // Deeper than a path can say: made step by step, from within.
  const fs::path before = fs::current_path();
  const std::string name(200, 'd');
  fs::current_path(folder_.path());
  for (int depth = 0; depth < 30; ++depth) {
    fs::create_directory(name);
    fs::current_path(name);
    write_bytes("a.png", "x");
  }
  fs::current_path(before);
  const auto entries = rest_of(*open());
  ASSERT_GT(entries.size(), 10u);
  for (size_t i = 0; i + 1 < entries.size(); ++i) EXPECT_EQ(entries[i].status, ImageStatus::ok);
  EXPECT_EQ(entries.back().status, ImageStatus::unreadable);
  EXPECT_THAT(entries.back().reason, HasSubstr("too long"));
}

TEST_F(FolderSourceTest, SkippingIsReadingWithoutTheFiles) {
  for (const char* name : {"a", "b/c", "b/d/e", "b/f", "g/h/i/j", "k"}) add(name);
  fs::create_directory_symlink("..", folder_ / "g/back");
  EXPECT_EQ(skip_problem([&] { return open(); }), "");
}

TEST_F(FolderSourceTest, BatchesKeepTheirLimit) {
  for (int i = 0; i < 10; ++i) add(fmt::format("f{}", i));
  const auto source = open();
  SourceBatch batch;
  std::vector<size_t> sizes;
  while (source->next(batch, {.files = 4})) sizes.push_back(batch.entries.size());
  EXPECT_THAT(sizes, ElementsAre(4, 4, 2));
  EXPECT_EQ(rest_of(*open(), {.files = 0}).size(), 10u) << "one entry at least";
}

TEST_F(FolderSourceTest, ProgressGoesFromZeroToOne) {
  for (const char* name : {"a", "b/c", "b/d/e", "b/f", "g/h/i/j", "k", "l/m"}) add(name);
  const auto source = open();
  EXPECT_FALSE(source->total());
  SourceBatch batch;
  double before = 0;
  EXPECT_EQ(source->fraction(), 0);
  while (source->next(batch, {.files = 1})) {
    EXPECT_GE(source->fraction(), before);
    before = source->fraction();
    EXPECT_LE(before, 1);
  }
  EXPECT_EQ(source->fraction(), 1);
  EXPECT_EQ(open_folder(folder_ / "b/d", "")->total(), 1u);
}

TEST_F(FolderSourceTest, AnEmptyFolderHoldsNothing) {
  EXPECT_THAT(paths(), IsEmpty());
  EXPECT_EQ(open()->total(), 0u);
}

TEST_F(FolderSourceTest, AMissingFolderIsAnError) {
  EXPECT_THAT(error_text<Error>([&] { open_folder(folder_ / "no", ""); }), HasSubstr("no: the"));
}

}  // namespace
}  // namespace oddity::test
