// Good files: the same images come out of every format, and what is written reads back.
#include "data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <csignal>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/files.h"
#include "files/npy.h"
#include "files/zip.h"
#include "support/error_text.h"
#include "support/npy_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

/// What every good file of make.py holds: 0, 1 … 23, in floats divided by 32.
void expect_golden_images(const ImageArray& images, PixelType type) {
  ASSERT_EQ(images.size(), 3u);
  EXPECT_EQ(images.shape(), (ImageShape{2, 4, 1}));
  ASSERT_EQ(images.type(), type);
  for (size_t k = 0; k < 24; ++k) {
    switch (type) {
      case PixelType::u8:
        EXPECT_EQ(pixels_of<uint8_t>(images)[k], k);
        break;
      case PixelType::u16:
        EXPECT_EQ(pixels_of<uint16_t>(images)[k], k);
        break;
      case PixelType::f32:
        EXPECT_EQ(pixels_of<float>(images)[k], static_cast<float>(k) / 32);
        break;
    }
  }
}

struct GoodFile {
  std::string name;
  PixelType type;
};
void PrintTo(const GoodFile& file, std::ostream* out) { *out << file.name; }

class GoodFileTest : public testing::TestWithParam<GoodFile> {};

TEST_P(GoodFileTest, HoldsTheSameImages) {
  const Dataset dataset = read_dataset(data_golden(GetParam().name));
  expect_golden_images(dataset.images, GetParam().type);
  EXPECT_THAT(dataset.index, ElementsAre(0, 1, 2));
  EXPECT_THAT(dataset.label, Each(kUnknownLabel));
  EXPECT_EQ(dataset.label.size(), 3u);
}

std::vector<GoodFile> good_files() {
  std::vector<GoodFile> files = {
      {"u8.npy", PixelType::u8},          {"u8_no_channels.npy", PixelType::u8},
      {"u8_version2.npy", PixelType::u8}, {"u8_version3.npy", PixelType::u8},
      {"u16.npy", PixelType::u16},        {"f32.npy", PixelType::f32},
      {"f64.npy", PixelType::f32},        {"images.idx", PixelType::u8},
      {"images.idx.gz", PixelType::u8},   {"images_two_members.idx.gz", PixelType::u8},
      {"f64_4.pickle", PixelType::f32},   {"u16_strided_5.pickle", PixelType::u16},
  };
  for (const char* protocol : {"0", "1", "2", "3", "4", "5"}) {
    for (const char* numpy : {"1", "2"}) {
      files.push_back(
          {std::string("f32_") + protocol + "_numpy" + numpy + ".pickle", PixelType::f32});
    }
  }
  return files;
}

INSTANTIATE_TEST_SUITE_P(NumpyWrote, GoodFileTest, testing::ValuesIn(good_files()),
                         [](const auto& file) { return test_name(file.param.name); });

TEST(Dataset, ColoursAreTheLastExtent) {
  const Dataset dataset = read_dataset(data_golden("u8_colour.npy"));
  EXPECT_EQ(dataset.images.shape(), (ImageShape{2, 2, 3}));
  std::vector<uint8_t> expected(24);
  std::iota(expected.begin(), expected.end(), uint8_t{0});
  EXPECT_EQ(pixels_of<uint8_t>(dataset.images), expected);
}

TEST(Dataset, NpzHoldsRowsAndLabels) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const Dataset dataset = read_dataset(data_golden(name));
    expect_golden_images(dataset.images, PixelType::u8);
    EXPECT_THAT(dataset.index, ElementsAre(70, 5, 6));
    EXPECT_THAT(dataset.label, ElementsAre(1, 3, 1));
  }
}

TEST(Dataset, NpzMayLackRowsAndHoldMore) {
  const Dataset dataset = read_dataset(data_golden("no_index.npz"));
  expect_golden_images(dataset.images, PixelType::f32);
  EXPECT_THAT(dataset.index, ElementsAre(0, 1, 2));
  EXPECT_THAT(dataset.label, ElementsAre(1, 3, 1));
}

// Protocols 0 to 2 write bytes as text, escaped or in UTF-8: every value must survive.
TEST(Dataset, PicklesKeepEveryByte) {
  for (const char* protocol : {"0", "2", "5"}) {
    const Dataset dataset = read_dataset(data_golden(std::string("bytes_") + protocol + ".pickle"));
    EXPECT_EQ(dataset.images.shape(), (ImageShape{16, 16, 1}));
    std::vector<uint8_t> expected(256);
    std::iota(expected.begin(), expected.end(), uint8_t{0});
    EXPECT_EQ(pixels_of<uint8_t>(dataset.images), expected) << protocol;
  }
}

TEST(Dataset, LabelledIdxPairsImagesAndLabels) {
  for (const char* images : {"images.idx", "images.idx.gz"}) {
    const Dataset dataset = read_labelled_idx(data_golden(images), data_golden("labels.idx"));
    expect_golden_images(dataset.images, PixelType::u8);
    EXPECT_THAT(dataset.index, ElementsAre(0, 1, 2));
    EXPECT_THAT(dataset.label, ElementsAre(1, 3, 1));
  }
}

TEST(Dataset, TheEmbeddedMnistIsWhole) {
  // Images of each digit, as the canonical set has them.
  const std::vector<int64_t> train = {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949};
  const std::vector<int64_t> test = {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009};
  for (const bool is_train : {true, false}) {
    const std::string prefix = std::string(ODDITY_MNIST_DIR "/") + (is_train ? "train" : "t10k");
    const Dataset dataset =
        read_labelled_idx(prefix + "-images-idx3-ubyte.gz", prefix + "-labels-idx1-ubyte.gz");
    EXPECT_EQ(dataset.size(), is_train ? 60000u : 10000u);
    EXPECT_EQ(dataset.images.shape(), (ImageShape{28, 28, 1}));
    std::vector<int64_t> counts(10);
    for (const int32_t label : dataset.label) ++counts.at(static_cast<size_t>(label));
    EXPECT_EQ(counts, is_train ? train : test);
    // The sum of all pixels stands for them all: the mean .1307 and .1325 that everybody quotes.
    const auto pixels = pixels_of<uint8_t>(dataset.images);
    const auto sum = std::accumulate(pixels.begin(), pixels.end(), uint64_t{0});
    EXPECT_EQ(sum, is_train ? 1567298545u : 264923200u);
  }
}

Dataset small_set() {
  Dataset dataset = read_dataset(data_golden("stored.npz"));
  dataset.label = {1, kUnknownLabel, 3};
  return dataset;
}

TEST(Dataset, NpzReadsBackAsWritten) {
  const TemporaryFolder folder;
  const Dataset written = small_set();
  write_dataset(folder / "set.npz", written);
  const Dataset read = read_dataset(folder / "set.npz");
  expect_golden_images(read.images, PixelType::u8);
  EXPECT_EQ(read.index, written.index);
  EXPECT_EQ(read.label, written.label);
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Dataset, PathsReadBackByteForByte) {
  const TemporaryFolder folder;
  Dataset written = small_set();
  const std::string no_text("\xff\n\0b", 4);
  written.path = {"a/größe.png", "", no_text};
  write_dataset(folder / "set.npz", written);
  EXPECT_EQ(read_dataset(folder / "set.npz").path, written.path);
  EXPECT_EQ(
      read_zip(folder / "set.npz", {"path_offset.npy"}, 1000).at(0).second.substr(128),
      std::string("\0\0\0\0\0\0\0\0\x0d\0\0\0\0\0\0\0\x0d\0\0\0\0\0\0\0\x11\0\0\0\0\0\0\0", 32));
  write_dataset(folder / "again.npz", read_dataset(folder / "set.npz"));
  EXPECT_EQ(bytes_of(folder / "again.npz"), bytes_of(folder / "set.npz"));

  written.path.clear();
  write_dataset(folder / "set.npz", written);
  EXPECT_TRUE(read_zip(folder / "set.npz", {"path.npy", "path_offset.npy"}, 1000).empty());
  written.path = {"one for three"};
  EXPECT_THAT(error_text<Error>([&] { write_dataset(folder / "set.npz", written); }),
              HasSubstr("3 images, 3 rows, 3 labels and 1 paths"));
}

/// What reading says to a set of three images with these paths.
std::string refusal_of_paths(const std::vector<std::pair<std::string, std::string>>& arrays) {
  const TemporaryFolder folder;
  write_dataset(folder / "set.npz", small_set());
  auto members = read_zip(folder / "set.npz", {"images.npy"}, 10000);
  members.insert(members.end(), arrays.begin(), arrays.end());
  ZipWriter zip(folder / "made.npz");
  for (const auto& [name, content] : members) zip.add(name, {content});
  zip.commit();
  return error_text<Error>([&] { read_dataset(folder / "made.npz"); });
}

TEST(Dataset, PathsThatDoNotFitTheirOffsetsAreRefused) {
  const auto offsets = [](const std::vector<int64_t>& numbers) {
    const std::array<int64_t, 1> count{std::ssize(numbers)};
    return std::pair<std::string, std::string>(
        "path_offset.npy",
        npy_header("<i8", count) +
            std::string(reinterpret_cast<const char*>(numbers.data()), 8 * numbers.size()));
  };
  const std::array<int64_t, 1> six{6};
  const std::pair<std::string, std::string> path("path.npy", npy_header("|u1", six) + "abcdef");
  EXPECT_EQ(refusal_of_paths({path, offsets({0, 2, 2, 6})}), "(no error)");
  EXPECT_EQ(refusal_of_paths({offsets({0, 2, 2, 6}), path}), "(no error)");
  for (const std::vector<int64_t>& wrong :
       {std::vector<int64_t>{0, 6}, {0, 2, 4, 6, 6}, std::vector<int64_t>{}}) {
    EXPECT_THAT(refusal_of_paths({path, offsets(wrong)}),
                AllOf(HasSubstr("made.npz: path_offset has "), HasSubstr("3 images")));
  }
  EXPECT_THAT(refusal_of_paths({path, offsets({1, 2, 3, 6})}), HasSubstr("goes from 1 to 6"));
  EXPECT_THAT(refusal_of_paths({path, offsets({0, 2, 3, 5})}), HasSubstr("path has 6 bytes"));
  EXPECT_THAT(refusal_of_paths({path, offsets({0, 2, 3, 7})}), HasSubstr("path has 6 bytes"));
  EXPECT_THAT(refusal_of_paths({path, offsets({0, 4, 3, 6})}),
              HasSubstr("path_offset falls from 4 to 3 at entry 1"));
  EXPECT_THAT(refusal_of_paths({path, offsets({0, std::numeric_limits<int64_t>::min(), 3, 6})}),
              HasSubstr("falls from 0 to -9223372036854775808"));
  EXPECT_THAT(refusal_of_paths({path, offsets({0, std::numeric_limits<int64_t>::max(), 6, 6})}),
              HasSubstr("falls from 9223372036854775807 to 6"));
  EXPECT_THAT(refusal_of_paths({offsets({0, 2, 3, 6})}), HasSubstr("path_offset without path"));
  EXPECT_THAT(refusal_of_paths({{"path.npy", path.second + "g"}, offsets({0, 2, 3, 6})}),
              HasSubstr("made.npz: path.npy"));
  EXPECT_THAT(refusal_of_paths({{"path.npy", "no array"}, offsets({0, 2, 3, 6})}),
              HasSubstr("made.npz: path.npy"));
  EXPECT_THAT(
      refusal_of_paths({{"path.npy", npy_header("<i2", std::array<int64_t, 1>{3}) + "abcdef"},
                        offsets({0, 2, 3, 6})}),
      HasSubstr("path: <i2 of shape (3,), expected bytes"));
}

// np.savez(file, images=..., path=[...]) of somebody who means something else by it.
TEST(Dataset, AnArrayPathWithoutOffsetsIsSomebodyElses) {
  EXPECT_EQ(refusal_of_paths({{"path.npy", "whatever it is"}}), "(no error)");
}

TEST(Dataset, TheFingerprintIsOfTypeShapeAndPixels) {
  Dataset set = small_set();
  const std::string before = fingerprint(set.images.view());
  set.label[0] = 7;
  set.path = {"a", "b", "c"};
  EXPECT_EQ(fingerprint(set.images.view()), before);
  EXPECT_NE(fingerprint(read_dataset(data_golden("u16.npy")).images.view()), before);
  ImageView turned = set.images.view();
  std::swap(turned.shape.width, turned.shape.height);
  EXPECT_NE(fingerprint(turned), before);
  set.images.data()[23] = std::byte{0};
  EXPECT_NE(fingerprint(set.images.view()), before);
}

TEST(Dataset, EveryPixelTypeReadsBackAsWritten) {
  const TemporaryFolder folder;
  for (const char* name : {"u8.npy", "u16.npy", "f32.npy"}) {
    const Dataset written = read_dataset(data_golden(name));
    for (const char* suffix : {".npz", ".npy"}) {
      const auto path = folder / (std::string(name) + suffix);
      write_dataset(path, written);
      expect_golden_images(read_dataset(path).images, written.images.type());
    }
  }
}

TEST(Dataset, NpyIsByteForByteWhatNumpyWrites) {
  const TemporaryFolder folder;
  for (const char* name : {"u8.npy", "u16.npy", "f32.npy", "u8_colour.npy"}) {
    write_dataset(folder / name, read_dataset(data_golden(name)));
    EXPECT_EQ(bytes_of(folder / name), bytes_of(data_golden(name))) << name;
  }
}

TEST(Dataset, TheSameSetIsTheSameBytesInEveryTimeZone) {
  const TemporaryFolder folder;
  write_dataset(folder / "a.npz", small_set());
  const std::string first = bytes_of(folder / "a.npz");
  for (const char* zone : {"Pacific/Kiritimati", "Pacific/Honolulu", "UTC"}) {
    ::setenv("TZ", zone, 1);
    ::tzset();
    write_dataset(folder / "b.npz", small_set());
    EXPECT_EQ(bytes_of(folder / "b.npz"), first) << zone;
  }
  ::unsetenv("TZ");
  ::tzset();
}

TEST(Dataset, SuffixesOtherThanNpzAndNpyAreRefusedBeforeTheWork) {
  check_dataset_suffix("output/images.npz");
  check_dataset_suffix("output/images.npy");
  EXPECT_THAT(error_text<ArgumentError>([] { check_dataset_suffix("images.pickle"); }),
              AllOf(HasSubstr("images.pickle"), HasSubstr(".npz")));
  for (const char* path : {"images", "images.NPZ", "images.h5", ".npz"}) {
    EXPECT_THAT(error_text<ArgumentError>([&] { check_dataset_suffix(path); }),
                AllOf(HasSubstr(path), HasSubstr(".npz or .npy")));
  }
}

TEST(Dataset, WritingFailsWithoutAFileOrALeftOver) {
  const TemporaryFolder folder;
  for (const char* name : {"missing/set.npz", "missing/set.npy"}) {
    EXPECT_THAT(error_text<Error>([&] { write_dataset(folder / name, small_set()); }),
                HasSubstr(name));
  }
  std::filesystem::create_directory(folder / "folder.npz");
  EXPECT_THAT(error_text<Error>([&] { write_dataset(folder / "folder.npz", small_set()); }),
              HasSubstr("folder.npz"));
  EXPECT_THAT(error_text<Error>([] { write_dataset("/dev/full/set.npz", small_set()); }),
              HasSubstr("/dev/full/set.npz"));
  EXPECT_EQ(folder.entries(), 1u);
}

// A limit on the size of files stands in for a full disk.
TEST(Dataset, AFullDiskLeavesNothing) {
  const TemporaryFolder folder;
  const auto previous_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit unlimited;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  rlimit limit = unlimited;
  limit.rlim_cur = 140;  // in the middle of the pixels
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::vector<std::string> texts;
  for (const char* name : {"set.npz", "set.npy"}) {
    texts.push_back(error_text<Error>([&] { write_dataset(folder / name, small_set()); }));
  }
  ::setrlimit(RLIMIT_FSIZE, &unlimited);
  std::signal(SIGXFSZ, previous_handler);
  EXPECT_THAT(texts, ElementsAre(HasSubstr("set.npz"), HasSubstr("set.npy")));
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(Dataset, AnInconsistentSetIsNotWritten) {
  const TemporaryFolder folder;
  Dataset dataset = small_set();
  dataset.label.pop_back();
  EXPECT_THAT(error_text<Error>([&] { write_dataset(folder / "set.npz", dataset); }),
              AllOf(HasSubstr("3 images"), HasSubstr("2 labels")));
  EXPECT_EQ(folder.entries(), 0u);
}

}  // namespace
}  // namespace oddity::test
