#include "files/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/files.h"
#include "support/error_text.h"
#include "support/memory_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class ZipTest : public testing::Test {
 protected:
  ZipTest() { write_zip(path_, members_); }

  std::string refusal(const std::filesystem::path& path, size_t limit = 1000) {
    return error_text<Error>([&] { read_zip(path, {"b", "images.npy"}, limit); });
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "a.zip";
  std::vector<std::pair<std::string, std::string>> members_{
      {"b", "second in the alphabet"}, {"a", ""}, {"folder/c", std::string(100000, 'c')}};
};

TEST_F(ZipTest, MembersComeBackInTheirOrder) {
  EXPECT_EQ(read_zip(path_, {"folder/c", "a", "b"}, 100000), members_);
  EXPECT_EQ(folder_.entries(), 1u);
}

TEST_F(ZipTest, OnlyTheWantedMembersAreRead) {
  EXPECT_THAT(read_zip(path_, {"b", "nothing"}, 1000),
              ElementsAre(Pair("b", "second in the alphabet")));
  EXPECT_THAT(read_zip(path_, {}, 0), IsEmpty());
}

TEST_F(ZipTest, TheLimitIsTheLastSizeThatPasses) {
  EXPECT_EQ(read_zip(path_, {"b"}, 22).size(), 1u);
  EXPECT_THAT(refusal(path_, 21), AllOf(HasSubstr(path_.string()), HasSubstr("b unpacks to more"),
                                        HasSubstr("21 bytes")));
}

TEST_F(ZipTest, PartsOfAMemberAreJoined) {
  ZipWriter zip(path_);
  zip.add("b", {"one ", "", "two"});
  zip.commit();
  EXPECT_THAT(read_zip(path_, {"b"}, 1000), ElementsAre(Pair("b", "one two")));
}

TEST_F(ZipTest, WithoutCommitNothingChanges) {
  const std::string before = bytes_of(path_);
  {
    ZipWriter zip(path_);
    zip.add("b", {"other"});
  }
  EXPECT_EQ(bytes_of(path_), before);
  EXPECT_EQ(folder_.entries(), 1u);
}

TEST_F(ZipTest, WhatIsNoArchiveIsNamed) {
  EXPECT_THAT(refusal(folder_ / "nothing"), HasSubstr("nothing: no such file"));
  EXPECT_THAT(refusal(folder_.path()), HasSubstr("a folder"));
  EXPECT_THAT(refusal(MemoryFile("").path()), HasSubstr("damaged zip"));
  // An archive without members: libarchive does not take it for one.
  write_zip(folder_ / "empty.zip", {});
  EXPECT_THAT(refusal(folder_ / "empty.zip"), HasSubstr("damaged zip"));
  EXPECT_THAT(refusal(MemoryFile("hello").path()), HasSubstr("damaged zip"));
  EXPECT_THAT(refusal(data_golden("bad_twice.npz")), HasSubstr("images.npy occurs twice"));
}

TEST_F(ZipTest, DamageInAWantedMemberIsFound) {
  std::string bytes = bytes_of(path_);
  bytes.at(bytes.find("alphabet")) = 'A';
  EXPECT_THAT(refusal(MemoryFile(bytes).path()), HasSubstr("CRC"));
}

}  // namespace
}  // namespace oddity::test
