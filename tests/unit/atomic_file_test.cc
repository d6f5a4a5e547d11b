#include "files/atomic_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "core/error.h"
#include "support/error_text.h"
#include "support/file_size_limit.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

mode_t permissions(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

std::string write_error(const fs::path& path, std::string_view bytes = "bytes") {
  return error_text<Error>([&] { write_file(path, bytes); });
}

TEST(AtomicFile, AppearsOnlyAtCommit) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.csv");
  file.write("first,");
  file.write("second", 6);
  EXPECT_FALSE(fs::exists(folder / "a.csv"));
  EXPECT_EQ(file.temporary().parent_path(), folder.path()) << "a rename must not cross disks";
  file.commit();
  EXPECT_EQ(content(folder / "a.csv"), "first,second");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, LeavesNothingBehindWithoutCommit) {
  const TemporaryFolder folder;
  write_file(folder / "a.csv", "old");
  const auto interrupted = [&] {
    AtomicFile file(folder / "a.csv");
    file.write("new");
    throw std::runtime_error("Ctrl-C");
  };
  EXPECT_THROW(interrupted(), std::runtime_error);
  EXPECT_EQ(content(folder / "a.csv"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, CanBeFilledByNameThroughAnotherLibrary) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.h5");
  std::ofstream(file.temporary(), std::ios::binary) << "from elsewhere";
  file.commit();
  EXPECT_EQ(content(folder / "a.h5"), "from elsewhere");
}

TEST(AtomicFile, MovesWithItsTemporaryFile) {
  const TemporaryFolder folder;
  {
    AtomicFile first(folder / "a");
    AtomicFile second(std::move(first));
    second.write("moved");
    second.commit();
    const AtomicFile third(folder / "b");
  }
  EXPECT_EQ(content(folder / "a"), "moved");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, ManyOfOneNameDoNotMeet) {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a");
  AtomicFile second(folder / "a");
  EXPECT_NE(first.temporary(), second.temporary());
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  EXPECT_EQ(content(folder / "a"), "first") << "the last commit wins, whole";
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, HonoursTheUmask) {
  const TemporaryFolder folder;
  const mode_t before = ::umask(027);
  write_file(folder / "a", "");
  ::umask(before);
  EXPECT_EQ(permissions(folder / "a"), 0640u);
}

TEST(AtomicFile, KeepsThePermissionsOfTheFileItReplaces) {
  const TemporaryFolder folder;
  for (const mode_t mode : {0600u, 0666u}) {  // narrower and wider than the umask gives
    write_file(folder / "a", "old");
    ASSERT_EQ(::chmod((folder / "a").c_str(), mode), 0);
    write_file(folder / "a", "new");
    EXPECT_EQ(permissions(folder / "a"), mode);
  }
}

TEST(AtomicFile, WritesThroughSymbolicLinks) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "far");
  write_file(folder / "far" / "target", "old");
  fs::create_symlink("far/target", folder / "near");
  fs::create_symlink("near", folder / "link");
  write_file(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_TRUE(fs::is_symlink(folder / "near"));
  EXPECT_EQ(content(folder / "far" / "target"), "new");
}

TEST(AtomicFile, CreatesTheTargetOfADanglingLink) {
  const TemporaryFolder folder;
  fs::create_symlink(folder / "target", folder / "link");
  write_file(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(content(folder / "target"), "new");
}

TEST(AtomicFile, RefusesLinksThatGoInCircles) {
  const TemporaryFolder folder;
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  EXPECT_THAT(write_error(folder / "a"), HasSubstr("symbolic links"));
}

TEST(AtomicFile, TakesANameAsLongAsNamesCanBe) {
  const TemporaryFolder folder;
  const std::string longest(255, 'n');
  write_file(folder / longest, "bytes");
  EXPECT_EQ(content(folder / longest), "bytes");
  EXPECT_THAT(write_error(folder / (longest + "n")), HasSubstr("File name too long"));
}

TEST(AtomicFile, NamesAFolderInTheWay) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "a.csv");
  EXPECT_THAT(write_error(folder / "a.csv"),
              AllOf(HasSubstr("a.csv"), HasSubstr("it is a folder: name a file")));
  EXPECT_THAT(write_error(folder / "b/"), HasSubstr("it is a folder"));
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, NamesAFolderThatAppearedWhileTheFileWasWritten) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.csv");
  fs::create_directory(folder / "a.csv");
  EXPECT_THAT(error_text<Error>([&] { file.commit(); }),
              AllOf(HasSubstr("a.csv"), HasSubstr("directory")));
}

TEST(AtomicFile, NamesAMissingFolderAndTheCure) {
  const TemporaryFolder folder;
  EXPECT_THAT(write_error(folder / "none" / "a.csv"),
              AllOf(HasSubstr("none/a.csv"), HasSubstr("none does not exist: create it first")));
}

TEST(AtomicFile, NamesAFileWhereAFolderShouldBe) {
  const TemporaryFolder folder;
  write_file(folder / "file", "");
  EXPECT_THAT(write_error(folder / "file" / "a.csv"),
              AllOf(HasSubstr("a.csv"), HasSubstr("file is not a folder")));
}

// Nobody, not even root, creates files in /proc.
TEST(AtomicFile, NamesAFolderThatTakesNoFiles) {
  EXPECT_THAT(write_error("/proc/self/a.csv"),
              AllOf(HasSubstr("cannot write /proc/self/a.csv"), HasSubstr("No such file")));
}

TEST(AtomicFile, RespectsPermissions) {
  if (::geteuid() == 0) {
    // For root permissions do not count: what is left to see is that they do no harm.
    const TemporaryFolder folder;
    write_file(folder / "a", "old");
    ASSERT_EQ(::chmod((folder / "a").c_str(), 0444), 0);
    write_file(folder / "a", "new");
    EXPECT_EQ(permissions(folder / "a"), 0444u);
    return;
  }
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  ASSERT_EQ(::chmod((folder / "a").c_str(), 0444), 0);
  EXPECT_THAT(write_error(folder / "a"), HasSubstr("Permission denied: choose a place"));
  EXPECT_EQ(content(folder / "a"), "old");
  ASSERT_EQ(::chmod(folder.path().c_str(), 0555), 0);
  EXPECT_THAT(write_error(folder / "b"), HasSubstr("Permission denied: choose a place"));
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
}

TEST(AtomicFile, EscapesNamesInMessages) {
  EXPECT_THAT(write_error("/none\x1b[2J/a\nb"), HasSubstr("/none\\x1b[2J/a\\x0ab"));
}

TEST(AtomicFile, RefusesAnEmptyName) { EXPECT_THAT(write_error(""), HasSubstr("without a name")); }

TEST(AtomicFile, KeepsTheOldFileWhereTheDiskFillsUp) {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  std::string error;
  {
    const FileSizeLimit limit(1000);
    error = write_error(folder / "a", std::string(5000, 'x'));
  }
  EXPECT_THAT(error, AllOf(HasSubstr("cannot write"), HasSubstr("/a: File too large: raise")));
  EXPECT_EQ(content(folder / "a"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

// The kernel's model of a full disk.
TEST(AtomicFile, NamesAFullDiskAndTheCure) {
  EXPECT_THAT(write_error("/dev/full"),
              AllOf(HasSubstr("cannot write /dev/full"),
                    HasSubstr("No space left on device: free some space")));
}

TEST(AtomicFile, LeavesDevicesWhereTheyAre) {
  write_file("/dev/null", "bytes");
  struct stat status {};
  ASSERT_EQ(::stat("/dev/null", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode)) << "/dev/null was replaced by a file";
}

TEST(AtomicFile, WritesToAPipe) {
  const TemporaryFolder folder;
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file(pipe, "through the pipe");
  char buffer[64];
  const ssize_t got = ::read(reader, buffer, sizeof buffer);
  ::close(reader);
  EXPECT_EQ(std::string(buffer, got > 0 ? static_cast<size_t>(got) : 0), "through the pipe");
}

// `oddity find --scores /dev/stdout > file`: what was printed before and after must survive.
TEST(AtomicFile, GoesOnWhereAnOpenDescriptorStands) {
  const TemporaryFolder folder;
  const int out = ::open((folder / "out").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_GE(out, 0);
  ASSERT_EQ(::write(out, "before ", 7), 7);
  write_file("/dev/fd/" + std::to_string(out), "file");
  ASSERT_EQ(::write(out, " after", 6), 6);
  ::close(out);
  EXPECT_EQ(content(folder / "out"), "before file after");
}

TEST(CheckOutput, AcceptsWhatCanBeWrittenAndLeavesNoTrace) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(check_output(folder / "new", Overwrite::refuse));
  EXPECT_EQ(folder.entries(), 0u);
  write_file(folder / "old", "bytes");
  EXPECT_NO_THROW(check_output(folder / "old", Overwrite::replace));
  EXPECT_EQ(content(folder / "old"), "bytes");
  EXPECT_NO_THROW(check_output("/dev/null", Overwrite::refuse)) << "nothing there is overwritten";
}

TEST(CheckOutput, RefusesWhatExists) {
  const TemporaryFolder folder;
  write_file(folder / "a.h5", "");
  EXPECT_THAT(error_text<Error>([&] { check_output(folder / "a.h5", Overwrite::refuse); }),
              AllOf(HasSubstr("a.h5 exists"), HasSubstr("--force")));
}

TEST(CheckOutput, SaysBeforehandWhatWritingWouldSay) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "folder");
  write_file(folder / "file", "");
  for (const fs::path& path : {folder / "folder", folder / "none" / "a", folder / "file" / "a",
                               fs::path("/proc/self/a"), fs::path("")}) {
    EXPECT_EQ(error_text<Error>([&] { check_output(path, Overwrite::replace); }),
              write_error(path));
  }
}

TEST(ReadFile, ReadsTheWholeFile) {
  const TemporaryFolder folder;
  for (const size_t size : {0u, 1u, 65536u, 200001u}) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
    write_file(folder / "a", bytes);
    EXPECT_EQ(read_file(folder / "a", size), bytes);
  }
  EXPECT_THAT(read_file("/proc/self/status", 1 << 20), HasSubstr("Name:")) << "states size 0";
}

TEST(ReadFile, RefusesMoreThanTheLimit) {
  const TemporaryFolder folder;
  write_file(folder / "a", std::string(1001, 'x'));
  EXPECT_THAT(error_text<Error>([&] { read_file(folder / "a", 1000); }),
              AllOf(HasSubstr("/a holds 1,001 bytes"), HasSubstr("at most 1,000")));
  EXPECT_THAT(error_text<Error>([] { read_file("/dev/zero", 100000); }),
              HasSubstr("at most 100,000"));
}

TEST(ReadFile, NamesWhatCannotBeRead) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_text<Error>([&] { read_file(folder / "none", 10); }),
              AllOf(HasSubstr("cannot read"), HasSubstr("/none: No such file")));
  EXPECT_THAT(error_text<Error>([&] { read_file(folder.path(), 10); }),
              HasSubstr("it is a folder: name a file"));
}

}  // namespace
}  // namespace oddity::test
