#include "images/archive_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "images/source_files.h"
#include "support/error_text.h"
#include "support/memory_file.h"

namespace oddity::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

ArchiveFormat format_of(MadeFormat made) {
  switch (made) {
    case MadeFormat::tar:
    case MadeFormat::pax:
      return ArchiveFormat::tar;
    case MadeFormat::tar_gzip:
      return ArchiveFormat::tar_gzip;
    case MadeFormat::tar_xz:
      return ArchiveFormat::tar_xz;
    case MadeFormat::tar_zstd:
      return ArchiveFormat::tar_zstd;
    default:
      return ArchiveFormat::zip;
  }
}

std::vector<Listed> list(const std::string& bytes, const ArchiveOptions& options,
                         const BatchLimits& limits = {}) {
  const MemoryFile file(bytes);
  return rest_of(*open_archive(file.path(), options), limits);
}

/// As many bytes as asked for that do not compress.
std::string noise(size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::vector<MadeMember> some_members() {
  return {{"z.png", png_like("first")},
          {"7/a.jpg", "no image, for the decoder to say"},
          {"folder", "", AE_IFDIR, ""},
          {"folder/data.json", "{\"not\": \"an image\"}"},
          {"folder/picture", png_like(noise(5000))},
          {"empty.png", ""},
          {"empty.txt", ""},
          {"./big.tif", noise(100000)}};
}

class EveryArchive : public testing::TestWithParam<MadeFormat> {
 protected:
  std::vector<Listed> read(const std::vector<MadeMember>& members, const BatchLimits& limits = {}) {
    return list(make_archive(GetParam(), members), {.format = format_of(GetParam())}, limits);
  }
};

INSTANTIATE_TEST_SUITE_P(Formats, EveryArchive,
                         testing::Values(MadeFormat::tar, MadeFormat::pax, MadeFormat::tar_gzip,
                                         MadeFormat::tar_xz, MadeFormat::tar_zstd, MadeFormat::zip,
                                         MadeFormat::zip_stored));

TEST_P(EveryArchive, MembersComeInTheOrderOfTheArchive) {
  const auto entries = read(some_members());
  EXPECT_THAT(paths_of(entries),
              ElementsAre("z.png", "7/a.jpg", "folder/data.json", "folder/picture", "empty.png",
                          "empty.txt", "./big.tif"));
  for (const Listed& entry : entries) {
    EXPECT_EQ(entry.status, ImageStatus::ok) << entry.path << entry.reason;
    EXPECT_EQ(entry.file, "");
    EXPECT_EQ(entry.label, entry.path == "7/a.jpg" ? 7 : -1);
    const bool is_none = entry.path == "folder/data.json" || entry.path == "empty.txt";
    EXPECT_EQ(entry.left_out, is_none) << entry.path;
    for (const MadeMember& member : some_members()) {
      if (member.name == entry.path) {
        EXPECT_EQ(entry.bytes, is_none ? "" : member.bytes);
      }
    }
  }
}

TEST_P(EveryArchive, PrefixesStandBefore) {
  const std::string bytes = make_archive(GetParam(), {{"a/b.png", "x"}});
  const auto entries = list(bytes, {.format = format_of(GetParam()), .prefix = "set.tar/"});
  EXPECT_THAT(paths_of(entries), ElementsAre("set.tar/a/b.png"));
}

TEST_P(EveryArchive, BatchesChangeNothing) {
  const auto all = read(some_members());
  for (const BatchLimits limits :
       {BatchLimits{.entries = 1}, BatchLimits{.entries = 2}, BatchLimits{.entries = 0},
        BatchLimits{.bytes = 0}, BatchLimits{.bytes = 6000}}) {
    EXPECT_EQ(read(some_members(), limits), all);
  }
}

TEST_P(EveryArchive, BatchesHoldNoMoreBytesThanAsked) {
  std::vector<MadeMember> members;
  for (int i = 0; i < 20; ++i) members.push_back({std::to_string(i) + ".png", noise(400)});
  const MemoryFile file(make_archive(GetParam(), members));
  const auto source = open_archive(file.path(), {.format = format_of(GetParam())});
  SourceBatch batch;
  size_t batches = 0;
  for (; source->next(batch, {.bytes = 1000}); ++batches) EXPECT_LE(batch.bytes.size(), 1000u);
  EXPECT_EQ(batches, 10u);
  EXPECT_EQ(source->fraction(), 1);
}

TEST_P(EveryArchive, SkippingIsReadingWithoutTheBytes) {
  const MemoryFile file(make_archive(GetParam(), some_members()));
  EXPECT_EQ(
      skip_problem([&] { return open_archive(file.path(), {.format = format_of(GetParam())}); }),
      "");
}

TEST_P(EveryArchive, NamesAreOnlyShown) {
  std::vector<std::string> names{"../../etc/passwd.png", "/etc/passwd.png", "a\nb\x1b[2J.png",
                                 "..png/../x.png"};
  if (GetParam() != MadeFormat::zip && GetParam() != MadeFormat::zip_stored &&
      GetParam() != MadeFormat::pax) {
    names.push_back("\xff\xfe.png");
    names.push_back("C:\\x.png");  // in a zip, libarchive takes that for C:/x.png
  }
  std::vector<MadeMember> members;
  for (const std::string& name : names) members.push_back({name, png_like(name)});
  const auto entries = read(members);
  // A folder that begins with a dot is hidden; "..png" is one.
  names.erase(std::find(names.begin(), names.end(), "..png/../x.png"));
  EXPECT_EQ(paths_of(entries), names);
  for (const Listed& entry : entries) EXPECT_EQ(entry.bytes, png_like(entry.path));
}

TEST_P(EveryArchive, HiddenMembersAreLeftOutAsInFolders) {
  EXPECT_THAT(paths_of(read({{"._a.png", "x"},
                             {"__MACOSX/._a.png", "x"},
                             {".git/b.png", "x"},
                             {"./c.png", "x"},
                             {"d/e.png", "x"}})),
              ElementsAre("./c.png", "d/e.png"));
}

TEST_P(EveryArchive, LargeMembersAreNotRead) {
  const std::string bytes = make_archive(GetParam(), {{"a.png", noise(1000)},
                                                      {"b.png", std::string(3000000, 'b')},
                                                      {"c", png_like(std::string(1001, 'c'))},
                                                      {"d.txt", std::string(3000000, 'd')},
                                                      {"e.png", "x"}});
  const auto entries = list(bytes, {.format = format_of(GetParam()), .largest_file = 1000});
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[0].bytes.size(), 1000u);
  for (const size_t i : {1, 2}) {
    EXPECT_EQ(entries[i].status, ImageStatus::too_large);
    EXPECT_THAT(entries[i].reason, HasSubstr("more than the 1000 that are read"));
    EXPECT_EQ(entries[i].bytes, "");
  }
  EXPECT_TRUE(entries[3].left_out);
  EXPECT_EQ(entries[4].bytes, "x");
}

TEST_P(EveryArchive, NoiseIsAnErrorOrABadRow) {
  // Nothing but Error may come out; what it says is seen to elsewhere.
  const std::string good = make_archive(GetParam(), some_members());
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string bytes = good;
    for (int flips = 0; flips < 3; ++flips) {
      bytes[random() % std::min<size_t>(bytes.size(), 8000)] ^=
          static_cast<char>(1u << random() % 8);
    }
    error_text<Error>([&] { list(bytes, {.format = format_of(GetParam())}); });
  }
  for (const size_t size : {0, 1, 511, 512, 513, 5000}) {
    EXPECT_THAT(error_text<Error>([&] { list(noise(size), {.format = format_of(GetParam())}); }),
                HasSubstr("read as an archive"));
  }
}

TEST(ArchiveSource, NamesAreTheBytesOfTheArchive) {
  const std::string composed = "\xc3\xa4.png";
  const std::string decomposed = "a\xcc\x88.png";
  EXPECT_THAT(paths_of(list(make_archive(MadeFormat::tar, {{composed, "x"}, {decomposed, "x"}}),
                            {.format = ArchiveFormat::tar})),
              ElementsAre(composed, decomposed));
}

TEST(ArchiveSource, LinksCalledLikeImagesAreRows) {
  const std::string bytes = make_archive(MadeFormat::tar, {{"a.png", png_like("x")},
                                                           {"b.png", "", AE_IFLNK, ""},
                                                           {"b.txt", "", AE_IFLNK, ""},
                                                           {"c.png", "", AE_IFREG, "a.png"},
                                                           {"d.png", "", AE_IFIFO, ""},
                                                           {"e.png", "", AE_IFCHR, ""},
                                                           {"f.png", png_like("y")}});
  const auto entries = list(bytes, {.format = ArchiveFormat::tar});
  EXPECT_THAT(paths_of(entries), ElementsAre("a.png", "b.png", "c.png", "f.png"));
  for (const size_t i : {1, 2}) EXPECT_EQ(entries[i].status, ImageStatus::unsupported);
  EXPECT_EQ(entries[3].bytes, png_like("y"));
}

TEST(ArchiveSource, ATruncatedTarEndsWithARow) {
  std::vector<MadeMember> members;
  for (const size_t size : {100, 512, 513, 0, 3000, 1}) {
    members.push_back({std::to_string(size) + ".png", noise(size)});
  }
  const std::string bytes = make_archive(MadeFormat::tar, members);
  std::vector<size_t> ends;  // of each member, with what fills its last block
  size_t end = 0;
  for (const MadeMember& member : members) {
    ends.push_back(end += 512 + (member.bytes.size() + 511) / 512 * 512);
  }
  std::vector<size_t> sizes;
  for (size_t size = 0; size < bytes.size(); size += 100) sizes.push_back(size);
  for (size_t size = 0; size < bytes.size(); size += 512) sizes.push_back(size);
  for (const size_t size : sizes) {
    const MemoryFile file(bytes.substr(0, size));
    const auto open = [&] { return open_archive(file.path(), {.format = ArchiveFormat::tar}); };
    if (size < 512) {
      EXPECT_THAT(error_text<Error>(open), HasSubstr("read as an archive")) << size;
      continue;
    }
    const auto entries = rest_of(*open());
    const auto whole = static_cast<size_t>(
        std::count_if(ends.begin(), ends.end(), [&](size_t of) { return of <= size; }));
    const bool has_mark = size >= end + 512;
    ASSERT_EQ(entries.size(), whole + (has_mark ? 0 : 1)) << size;
    for (size_t i = 0; i < whole; ++i) {
      EXPECT_EQ(entries[i].path, members[i].name);
      EXPECT_EQ(entries[i].bytes, members[i].bytes);
    }
    if (!has_mark) {
      EXPECT_EQ(entries.back().path, file.path().string());
      EXPECT_EQ(entries.back().status, ImageStatus::truncated) << size << entries.back().reason;
      EXPECT_THAT(entries.back().reason,
                  HasSubstr(whole == 0 ? "in its first file"
                                       : "after " + members[whole - 1].name + " (" +
                                             std::to_string(whole) + " in all)"));
    }
    EXPECT_EQ(skip_problem(open), "") << size;
  }
}

TEST(ArchiveSource, ATarIsSkippedPastItsEndLikeItIsRead) {
  // Large enough that libarchive seeks.
  const std::string bytes =
      make_archive(MadeFormat::tar, {{"a.png", noise(5 << 20)}, {"b.png", noise(6 << 20)}});
  for (const size_t size : {size_t{6} << 20, (size_t{5} << 20) + 512, size_t{3} << 20}) {
    const MemoryFile file(bytes.substr(0, size));
    EXPECT_EQ(
        skip_problem([&] { return open_archive(file.path(), {.format = ArchiveFormat::tar}); }),
        "");
  }
}

TEST(ArchiveSource, APackedTarThatIsTruncatedEndsWithARow) {
  const std::vector<MadeMember> members{{"a.png", noise(200000)}, {"b.png", noise(200001)}};
  for (const MadeFormat made : {MadeFormat::tar_gzip, MadeFormat::tar_xz, MadeFormat::tar_zstd}) {
    const std::string bytes = make_archive(made, members);
    const MemoryFile file(bytes.substr(0, 300000));
    const auto open = [&] { return open_archive(file.path(), {.format = format_of(made)}); };
    const auto entries = rest_of(*open());
    ASSERT_FALSE(entries.empty());
    EXPECT_NE(entries.back().status, ImageStatus::ok);
    EXPECT_EQ(entries.back().path, file.path().string());
    EXPECT_EQ(skip_problem(open), "");
    if (made != MadeFormat::tar_xz) {
      EXPECT_EQ(entries[0].bytes, members[0].bytes);
      EXPECT_EQ(entries.back().status, ImageStatus::truncated) << entries.back().reason;
    }
  }
}

TEST(ArchiveSource, ADamagedTarEndsWithARow) {
  std::string bytes = make_archive(MadeFormat::tar, {{"a.png", "x"}, {"b.png", "y"}});
  bytes.at(1024 + 150) = '9';  // in the checksum of the second header
  const auto entries = list(bytes, {.format = ArchiveFormat::tar});
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].status, ImageStatus::unreadable) << entries[1].reason;
  EXPECT_THAT(entries[1].reason, HasSubstr("after a.png (1 in all)"));
}

/// Corrects the checksum of the header at `at` of a tar.
void seal(std::string& tar, size_t at) {
  tar.replace(at + 148, 8, 8, ' ');
  unsigned sum = 0;
  for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[at + i]);
  char text[8];
  std::snprintf(text, sizeof(text), "%06o", sum);
  tar.replace(at + 148, 7, text, 7);
}

TEST(ArchiveSource, DeclaredSizesAreNotBelieved) {
  std::string bytes = make_archive(MadeFormat::tar, {{"a.png", "x"}, {"b.png", "y"}});
  bytes.replace(1024 + 124, 11, "77777777777");  // 8 GiB
  seal(bytes, 1024);
  auto entries = list(bytes, {.format = ArchiveFormat::tar});
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].status, ImageStatus::truncated) << entries[1].reason;

  bytes.replace(1024 + 124, 11, "01000000000");  // 128 MiB, as much as is read of one
  seal(bytes, 1024);
  entries = list(bytes, {.format = ArchiveFormat::tar});
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].status, ImageStatus::truncated) << entries[1].reason;
}

TEST(ArchiveSource, AWrongChecksumInAZipIsThatMembersOwn) {
  std::string bytes = make_archive(
      MadeFormat::zip_stored,
      {{"a.png", png_like("x")}, {"b.png", png_like("damage me")}, {"c.png", png_like("y")}});
  bytes.at(bytes.find("damage")) = 'D';
  const MemoryFile file(bytes);
  const auto open = [&] { return open_archive(file.path(), {.format = ArchiveFormat::zip}); };
  const auto entries = rest_of(*open());
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].status, ImageStatus::ok);
  EXPECT_EQ(entries[1].status, ImageStatus::unreadable);
  EXPECT_THAT(entries[1].reason, HasSubstr("CRC"));
  EXPECT_EQ(entries[1].bytes, "");
  EXPECT_EQ(entries[2].bytes, png_like("y"));
  EXPECT_EQ(skip_problem(open), "");
}

TEST(ArchiveSource, DamagedDeflateInAZipIsThatMembersOwn) {
  std::string bytes = make_archive(
      MadeFormat::zip,
      {{"a.png", png_like("x")}, {"b.png", std::string(10000, 'b')}, {"c.png", png_like("y")}});
  const size_t data = bytes.find("b.png") + 40;
  for (size_t i = 0; i < 8; ++i) bytes.at(data + i) ^= 0x5a;
  const MemoryFile file(bytes);
  const auto open = [&] { return open_archive(file.path(), {.format = ArchiveFormat::zip}); };
  const auto entries = rest_of(*open());
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[1].status, ImageStatus::unreadable);
  EXPECT_EQ(entries[2].bytes, png_like("y"));
  EXPECT_EQ(skip_problem(open), "");
}

TEST(ArchiveSource, ATruncatedZipIsAnError) {
  const std::string bytes = make_archive(MadeFormat::zip, some_members());
  for (size_t size = 0; size < bytes.size(); size += 5000) {
    EXPECT_THAT(
        error_text<Error>([&] { list(bytes.substr(0, size), {.format = ArchiveFormat::zip}); }),
        HasSubstr("read as an archive"));
  }
}

TEST(ArchiveSource, AnEmptyTarHoldsNothing) {
  EXPECT_THAT(list(make_archive(MadeFormat::tar, {}), {.format = ArchiveFormat::tar}), IsEmpty());
  EXPECT_THAT(list(make_archive(MadeFormat::tar_gzip, {}), {.format = ArchiveFormat::tar_gzip}),
              IsEmpty());
}

TEST(ArchiveSource, NoProgramIsStarted) {
  // libarchive would call lzop, grzip and the like for these; no filter but the one asked for is
  // on.
  for (const std::string start : {"\x89LZO\0\r\n\x1a\n", "GRZipII\0\2\4:)", "BZh9", "LZIP\1"}) {
    EXPECT_THAT(
        error_text<Error>([&] { list(start + noise(3000), {.format = ArchiveFormat::tar}); }),
        HasSubstr("read as an archive"));
  }
}

}  // namespace
}  // namespace oddity::test
