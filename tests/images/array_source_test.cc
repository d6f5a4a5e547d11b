#include "images/array_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/dataset.h"
#include "data/files.h"
#include "files/npy.h"
#include "files/zip.h"
#include "images/source_files.h"
#include "support/error_text.h"
#include "support/memory_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

struct GoodArray {
  std::string name;
  ArrayFormat format;
};

class GoodArrays : public testing::TestWithParam<GoodArray> {};

INSTANTIATE_TEST_SUITE_P(
    Files, GoodArrays,
    testing::Values(GoodArray{"images.idx", ArrayFormat::idx},
                    GoodArray{"images.idx.gz", ArrayFormat::idx_gzip},
                    GoodArray{"images_two_members.idx.gz", ArrayFormat::idx_gzip},
                    GoodArray{"f32.npy", ArrayFormat::npy}, GoodArray{"f64.npy", ArrayFormat::npy},
                    GoodArray{"stored.npz", ArrayFormat::npz},
                    GoodArray{"deflated.npz", ArrayFormat::npz},
                    GoodArray{"no_index.npz", ArrayFormat::npz}),
    [](const auto& file) { return test_name(file.param.name); });

TEST_P(GoodArrays, RowsAreThoseOfTheWholeFile) {
  const auto path = data_golden(GetParam().name);
  const Dataset whole = read_dataset(path);
  const ImageView images = whole.images.view();
  for (const BatchLimits limits : {BatchLimits{}, BatchLimits{.entries = 1},
                                   BatchLimits{.bytes = 1}, BatchLimits{.entries = 2}}) {
    const auto source = open_array(path, GetParam().format, "given");
    EXPECT_EQ(source->total(), whole.size());
    const auto rows = rest_of(*source, limits);
    EXPECT_EQ(source->fraction(), 1);
    ASSERT_EQ(rows.size(), whole.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].path, "given");
      EXPECT_EQ(rows[i].label, whole.label[i]);
      EXPECT_EQ(rows[i].status, ImageStatus::ok) << rows[i].reason;
      ASSERT_EQ(rows[i].bytes.size(), images.image_bytes());
      EXPECT_EQ(std::memcmp(rows[i].bytes.data(), images.image(i), images.image_bytes()), 0);
    }
  }
  SourceBatch batch;
  ASSERT_TRUE(open_array(path, GetParam().format, "")->next(batch, {}));
  ASSERT_TRUE(batch.raw);
  EXPECT_EQ(batch.raw->type, images.type);
  EXPECT_EQ(batch.raw->shape, images.shape);
}

TEST_P(GoodArrays, SkippingIsReading) {
  EXPECT_EQ(skip_problem(
                [] { return open_array(data_golden(GetParam().name), GetParam().format, "row"); }),
            "");
}

TEST_P(GoodArrays, ATruncatedFileEndsWithARowOrIsAnError) {
  const std::string bytes = bytes_of(data_golden(GetParam().name));
  size_t rows_seen = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const MemoryFile file(bytes.substr(0, size));
    const auto open = [&] { return open_array(file.path(), GetParam().format, "row"); };
    std::unique_ptr<ImageSource> source;
    try {
      source = open();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(file.path().string()));
      continue;
    }
    const auto rows = rest_of(*source, {.entries = 3});
    ASSERT_FALSE(rows.empty());
    EXPECT_EQ(rows.back().status, ImageStatus::truncated) << size << rows.back().reason;
    EXPECT_EQ(rows.back().path, file.path().string());
    EXPECT_THAT(rows.back().reason, AllOf(HasSubstr("truncated"),
                                          HasSubstr(std::to_string(rows.size() - 1) + " images")));
    rows_seen = std::max(rows_seen, rows.size() - 1);
    if (size % 50 == 0) {
      EXPECT_EQ(skip_problem(open), "") << size;
    }
  }
  if (GetParam().format != ArrayFormat::npz) {
    EXPECT_GT(rows_seen, 0u);
  }
}

std::string npy(std::string_view type, std::vector<int64_t> shape, std::string_view numbers) {
  return npy_header(type, shape) + std::string(numbers);
}

std::string open_error(const std::string& bytes, ArrayFormat format) {
  const MemoryFile file(bytes);
  return error_text<Error>([&] { open_array(file.path(), format, ""); });
}

TEST(ArraySource, WhatIsNoImagesIsAnError) {
  EXPECT_THAT(open_error(npy("<i8", {2}, std::string(16, 0)), ArrayFormat::npy),
              HasSubstr("images of type <i8"));
  EXPECT_THAT(open_error(npy("|u1", {4}, "1234"), ArrayFormat::npy), HasSubstr("reshape"));
  EXPECT_THAT(open_error(npy("|u1", {0, 2, 2}, ""), ArrayFormat::npy), HasSubstr("no images"));
  EXPECT_THAT(open_error(npy("|u1", {1, int64_t{1} << 20, 1 << 20}, ""), ArrayFormat::npy),
              HasSubstr("larger than the 268435456 numbers"));
  EXPECT_THAT(open_error(bytes_of(data_golden("labels.idx")), ArrayFormat::idx),
              HasSubstr("labels, expected images"));
}

TEST(ArraySource, HugeCountsTakeNoMemory) {
  const MemoryFile file(npy("|u1", {int64_t{1} << 40, 2, 2}, "abcdefgh12"));
  const auto source = open_array(file.path(), ArrayFormat::npy, "");
  const auto rows = rest_of(*source, {.entries = size_t{1} << 50, .bytes = size_t{1} << 50});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1].bytes, "efgh");
  EXPECT_EQ(rows[2].status, ImageStatus::truncated);
}

TEST(ArraySource, MoreThanDeclaredIsARow) {
  const MemoryFile file(npy("|u1", {2, 2, 1}, "abcdX"));
  const auto open = [&] { return open_array(file.path(), ArrayFormat::npy, ""); };
  const auto rows = rest_of(*open());
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2].status, ImageStatus::unreadable);
  EXPECT_THAT(rows[2].reason, HasSubstr("more bytes follow"));
  EXPECT_EQ(skip_problem(open), "");
}

TEST(ArraySource, ADamagedGzipEndsAfterTheRowsBeforeIt) {
  std::string bytes = bytes_of(data_golden("images.idx.gz"));
  bytes.at(bytes.size() - 8) ^= 1;  // the checksum
  const MemoryFile file(bytes);
  const auto open = [&] { return open_array(file.path(), ArrayFormat::idx_gzip, ""); };
  const auto rows = rest_of(*open());
  ASSERT_EQ(
      rows.size(),
      1 + rest_of(*open_array(data_golden("images.idx.gz"), ArrayFormat::idx_gzip, "")).size());
  EXPECT_EQ(rows.back().status, ImageStatus::unreadable);
  EXPECT_THAT(rows.back().reason, HasSubstr("damaged gzip"));
  EXPECT_EQ(skip_problem(open), "");
}

TEST(ArraySource, AFullBatchPutsTheFailureIntoTheNext) {
  const MemoryFile file(npy("|u1", {2, 2, 1}, "abcdX"));
  const auto source = open_array(file.path(), ArrayFormat::npy, "");
  SourceBatch batch;
  ASSERT_TRUE(source->next(batch, {.entries = 2}));
  EXPECT_EQ(batch.entries.size(), 2u);
  EXPECT_TRUE(batch.raw);
  ASSERT_TRUE(source->next(batch, {.entries = 2}));
  EXPECT_EQ(batch.entries.size(), 1u);
  EXPECT_FALSE(batch.raw);
}

TEST(ArraySource, NumbersOutOfRangeAreLeftToTheReader) {
  const float values[] = {std::numeric_limits<float>::quiet_NaN(), 2, -1, 0.5F};
  const std::string bytes(reinterpret_cast<const char*>(values), sizeof(values));
  const MemoryFile file(npy("<f4", {2, 2, 1}, bytes));
  const auto rows = rest_of(*open_array(file.path(), ArrayFormat::npy, ""));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].bytes + rows[1].bytes, bytes);
}

class NpzArrays : public testing::Test {
 protected:
  std::unique_ptr<ImageSource> open(
      const std::vector<std::pair<std::string, std::string>>& members) {
    write_zip(path_, members);
    return open_array(path_, ArrayFormat::npz, "");
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "a.npz";
  std::pair<std::string, std::string> images_{"images.npy", npy("|u1", {3, 1, 1}, "abc")};
};

TEST_F(NpzArrays, LabelsComeBesideTheImages) {
  const auto rows = rest_of(*open({{"label.npy", npy("|i1", {3}, "\5\xff\7")}, images_}));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].label, 5);
  EXPECT_EQ(rows[1].label, -1);
  EXPECT_EQ(rows[2].label, 7);
}

TEST_F(NpzArrays, LabelsThatDoNotFitAreErrors) {
  const auto error = [&](const std::string& label) {
    return error_text<Error>([&] { open({{"label.npy", label}, images_}); });
  };
  EXPECT_THAT(error(npy("|i1", {2}, "\1\2")), HasSubstr("has 2 entries, there are 3 images"));
  EXPECT_THAT(error(npy("<f4", {3}, std::string(12, 0))), HasSubstr("expected integers"));
  EXPECT_THAT(error_text<Error>([&] { open({images_, images_}); }), HasSubstr("occurs twice"));
}

TEST_F(NpzArrays, ALabelOutOfRangeEndsTheArray) {
  std::string labels(24, 0);
  labels[8 + 5] = 1;
  const auto make = [&] { return open({images_, {"label.npy", npy("<i8", {3}, labels)}}); };
  const auto rows = rest_of(*make());
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].bytes, "a");
  EXPECT_EQ(rows[1].status, ImageStatus::unreadable);
  EXPECT_THAT(rows[1].reason, HasSubstr("label 1099511627776 is outside"));
  EXPECT_EQ(skip_problem(make), "");
}

TEST_F(NpzArrays, AWrongChecksumIsARow) {
  open({images_});
  std::string bytes = bytes_of(path_);
  bytes.at(bytes.find("abc") + 1) = 'B';
  const MemoryFile file(bytes);
  const auto rows = rest_of(*open_array(file.path(), ArrayFormat::npz, ""));
  EXPECT_EQ(rows.back().status, ImageStatus::unreadable);
  EXPECT_THAT(rows.back().reason, HasSubstr("CRC"));
}

TEST_F(NpzArrays, AreToldFromArchivesOfImages) {
  const auto is = [&](const std::vector<std::pair<std::string, std::string>>& members) {
    write_zip(path_, members);
    return is_npz(path_, bytes_of(path_).substr(0, 512));
  };
  EXPECT_TRUE(is({images_}));
  EXPECT_TRUE(is({{"label.npy", "x"}, images_, {"b.png", "x"}}));
  EXPECT_FALSE(is({{"a.png", "x"}, images_}));
  EXPECT_FALSE(is({{"a.npy", "x"}, {"a.png", "x"}, images_}));
  EXPECT_THAT(error_text<Error>([&] {
                is({{"a.npy", "x"}, {"b.npy", "x"}});
              }),
              HasSubstr("no array 'images', only a.npy, b.npy"));
}

}  // namespace
}  // namespace oddity::test
