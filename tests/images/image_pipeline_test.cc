// What threads must not change: which rows come, in which order, with which pixels.
#include "images/image_pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "images/source_files.h"
#include "report/png.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// Everything a stream gives.
struct Passed {
  std::vector<ImageRow> rows;
  std::vector<std::vector<float>> images;  // of the rows that are ok
  std::vector<SourcePosition> ends;        // of the batches
  size_t left_out = 0;
};

Passed read_all(ImageStream& stream) {
  Passed passed;
  ImageBatch batch;
  for (;;) {
    switch (stream.next(batch)) {
      case ImageStream::Wait::end:
        return passed;
      case ImageStream::Wait::not_yet:
        continue;
      case ImageStream::Wait::batch:
        break;
    }
    const ImageView view{batch.pixels.data(), batch.type, stream.shape().value_or(ImageShape{}),
                         batch.images};
    for (size_t i = 0; i < batch.images; ++i) {
      passed.images.emplace_back(static_cast<size_t>(view.shape.size()));
      to_float(view, i, passed.images.back().data());
    }
    passed.rows.insert(passed.rows.end(), batch.rows.begin(), batch.rows.end());
    passed.ends.push_back(batch.end);
    passed.left_out += batch.left_out;
  }
}

void expect_same(const Passed& actual, const Passed& expected) {
  ASSERT_EQ(actual.rows.size(), expected.rows.size());
  for (size_t i = 0; i < expected.rows.size(); ++i) {
    EXPECT_EQ(actual.rows[i].path, expected.rows[i].path);
    EXPECT_EQ(actual.rows[i].status, expected.rows[i].status) << expected.rows[i].path;
    EXPECT_EQ(actual.rows[i].reason, expected.rows[i].reason);
    EXPECT_EQ(actual.rows[i].label, expected.rows[i].label);
  }
  EXPECT_EQ(actual.images, expected.images);
  EXPECT_EQ(actual.left_out, expected.left_out);
}

std::string png(uint8_t value, uint32_t width = 6, uint32_t height = 4, uint32_t channels = 1) {
  return encode_png(Picture(width, height, channels, value));
}

class ImagePipelineTest : public testing::Test {
 protected:
  /// 300 images in three labelled folders, bad ones and strangers among them.
  void write_set() const {
    for (int i = 0; i < 300; ++i) {
      const std::string name = fmt::format("{}/{:03}.png", i % 3, i);
      const std::string image = png(static_cast<uint8_t>(i));
      if (i % 50 == 17) {
        write_below(folder_.path(), name, image.substr(0, image.size() / 2));
      } else if (i % 50 == 18) {
        write_below(folder_.path(), name, "no image");
      } else if (i % 50 == 19) {
        write_below(folder_.path(), name, png(1, 7, 5, 3));
      } else {
        write_below(folder_.path(), name, image);
      }
    }
    write_below(folder_.path(), "1/notes.txt", "left out");
    write_below(folder_.path(), "2/model.png.txt", "left out");
    write_below(folder_.path(), "2/found", png(9));
  }

  std::unique_ptr<ImageStream> open(const PipelineOptions& options) const {
    return open_pipeline(open_images({folder_.path()}), options);
  }
  Passed read(const PipelineOptions& options) const { return read_all(*open(options)); }

  TemporaryFolder folder_;
  const ImageShape shape_{4, 6, 1};
};

TEST_F(ImagePipelineTest, RowsComeInOrderWhateverTheThreads) {
  write_set();
  const Passed one = read({.preprocessing = {}, .shape = shape_, .threads = 1, .start = {}});
  ASSERT_EQ(one.rows.size(), 301u);
  EXPECT_EQ(one.left_out, 2u);
  EXPECT_EQ(one.images.size(), 301u - 18u);
  EXPECT_EQ(one.rows.front().path, "0/000.png");
  EXPECT_EQ(one.rows.back().path, "2/found");
  EXPECT_EQ(one.rows.back().label, 2);
  for (const ImageRow& row : one.rows) {
    if (row.path == "2/found") continue;
    const int rest = std::stoi(row.path.substr(2)) % 50;
    const bool bad = rest >= 17 && rest <= 19;
    EXPECT_EQ(row.status == ImageStatus::ok, !bad) << row.path << row.reason;
  }
  EXPECT_EQ(one.images[1], std::vector<float>(24, 3 / 255.f));
  for (const int threads : {2, 7}) {
    expect_same(read({.preprocessing = {}, .shape = shape_, .threads = threads, .start = {}}), one);
  }
}

TEST_F(ImagePipelineTest, EveryKindOfBadImageIsARow) {
  write_below(folder_.path(), "a.png", png(1));
  write_below(folder_.path(), "b.png", png(1).substr(0, 40));
  write_below(folder_.path(), "c.png", "");
  write_below(folder_.path(), "d.png", "text");
  write_below(folder_.path(), "e.png", png(1, 8, 8));
  write_below(folder_.path(), "f.png", png(1, 8, 8, 3));
  fs::create_symlink("nowhere", folder_ / "g.png");
  fs::create_symlink("h.png", folder_ / "h.png");
  const Passed passed = read({.preprocessing = {}, .shape = shape_, .threads = 2, .start = {}});
  std::vector<std::string> statuses;
  for (const ImageRow& row : passed.rows) statuses.emplace_back(name_of(row.status));
  EXPECT_THAT(statuses, testing::ElementsAre("ok", "truncated", "truncated", "not-an-image",
                                             "wrong-size", "wrong-size", "vanished", "unreadable"));
  EXPECT_THAT(passed.rows[4].reason, HasSubstr("8x8x1, expected 6x4x1: use --resize 6x4"));
  EXPECT_THAT(passed.rows[5].reason, HasSubstr("--resize 6x4 --gray"));
}

TEST_F(ImagePipelineTest, TheFirstGoodImageSetsTheShape) {
  // More bad ones before it than a pipeline holds in memory.
  for (int i = 0; i < 700; ++i) write_below(folder_.path(), fmt::format("{:03}.png", i), "bad");
  write_below(folder_.path(), "700.png", png(7));
  write_below(folder_.path(), "701.png", png(7, 5, 5));
  write_below(folder_.path(), "702.png", png(8));
  const auto stream = open({.preprocessing = {}, .shape = {}, .threads = 2, .start = {}});
  EXPECT_EQ(stream->shape(), shape_);
  const Passed passed = read_all(*stream);
  ASSERT_EQ(passed.rows.size(), 703u);
  EXPECT_EQ(passed.rows[701].status, ImageStatus::wrong_size);
  EXPECT_EQ(passed.images.size(), 2u);
}

TEST_F(ImagePipelineTest, WithoutAGoodImageThereIsNoShape) {
  for (int i = 0; i < 3; ++i) write_below(folder_.path(), fmt::format("{}.png", i), "bad");
  const auto stream = open({.preprocessing = {}, .shape = {}, .threads = 2, .start = {}});
  EXPECT_EQ(stream->shape(), std::nullopt);
  EXPECT_EQ(read_all(*stream).rows.size(), 3u);
}

TEST_F(ImagePipelineTest, AnyBatchEndIsAPlaceToGoOnFrom) {
  write_set();
  const PipelineOptions whole{.preprocessing = {}, .shape = shape_, .threads = 2, .start = {}};
  const Passed all = read(whole);
  ASSERT_GE(all.ends.size(), 4u);
  size_t rows_before = 0;
  for (const SourcePosition& end : all.ends) {
    PipelineOptions rest = whole;
    rest.start = end;
    const Passed passed = read(rest);
    rows_before = all.rows.size() - passed.rows.size();
    for (size_t i = 0; i < passed.rows.size(); ++i) {
      ASSERT_EQ(passed.rows[i].path, all.rows[rows_before + i].path);
    }
    EXPECT_EQ(passed.ends.empty(), end == all.ends.back());
    if (!passed.ends.empty()) {
      EXPECT_EQ(passed.ends.back(), all.ends.back());
    }
  }
  EXPECT_EQ(rows_before, all.rows.size());
}

TEST_F(ImagePipelineTest, OtherFilesBeforeThePlaceAreFound) {
  write_set();
  PipelineOptions options{.preprocessing = {}, .shape = shape_, .threads = 2, .start = {}};
  options.start = read(options).ends.front();
  fs::rename(folder_ / "0/003.png", folder_ / "0/004.png");
  EXPECT_THAT([&] { open(options); }, testing::ThrowsMessage<Error>(HasSubstr("--force")));
  fs::rename(folder_ / "0/004.png", folder_ / "0/003.png");
  open(options);
  fs::remove_all(folder_ / "1");
  fs::remove_all(folder_ / "2");
  fs::remove(folder_ / "0/000.png");
  EXPECT_THAT([&] { open(options); }, testing::ThrowsMessage<Error>(HasSubstr("--force")));
}

/// The same values in 8 and 16 bits and as floats give the same images.
TEST_F(ImagePipelineTest, TypesAreMixedWithoutChangingAValue) {
  std::vector<std::string> arrays;
  const std::vector<uint8_t> values = {0, 1, 77, 128, 254, 255};
  for (const PixelType type : {PixelType::u8, PixelType::f32, PixelType::u16, PixelType::u8}) {
    std::vector<std::byte> pixels(values.size() * size_of(type));
    widen(PixelType::u8, reinterpret_cast<const std::byte*>(values.data()), values.size(), type,
          pixels.data());
    Dataset dataset;
    dataset.images = ImageArray(type, {2, 3, 1}, 1, std::move(pixels));
    dataset.index = {0};
    dataset.label = {kUnknownLabel};
    arrays.push_back((folder_ / fmt::format("{}.npy", arrays.size())).native());
    write_dataset(arrays.back(), dataset);
  }
  const Passed passed = read_all(*open_pipeline(
      open_images({arrays.begin(), arrays.end()}),
      {.preprocessing = {}, .shape = ImageShape{2, 3, 1}, .threads = 2, .start = {}}));
  ASSERT_EQ(passed.images.size(), 4u);
  for (const auto& image : passed.images) EXPECT_EQ(image, passed.images.front());
  EXPECT_EQ(passed.images.front()[2], 77 / 255.f);
}

/// A source that lists one file again and again, and then fails.
class FailingSource final : public ImageSource {
 public:
  FailingSource(fs::path file, int batches) : file_(std::move(file)), left_(batches) {}
  bool next(SourceBatch& batch, const BatchLimits&) override {
    batch.clear();
    if (left_-- == 0) throw Error("the disk is gone");
    SourceEntry entry;
    entry.path = file_.filename();
    entry.file = file_;
    batch.entries.push_back(entry);
    return true;
  }
  uint64_t skip(uint64_t, const std::function<void(const std::string&)>&) override { return 0; }
  std::optional<uint64_t> total() const override { return {}; }
  double fraction() const override { return 0; }

 private:
  fs::path file_;
  int left_;
};

TEST_F(ImagePipelineTest, AnErrorOfTheSourceComesBehindWhatWasRead) {
  write_below(folder_.path(), "a.png", png(1));
  const auto stream =
      open_pipeline(std::make_unique<FailingSource>(folder_ / "a.png", 20),
                    {.preprocessing = {}, .shape = shape_, .threads = 3, .start = {}});
  ImageBatch batch;
  size_t batches = 0;
  const auto read_on = [&] {
    for (;; ++batches) {
      while (stream->next(batch) == ImageStream::Wait::not_yet) continue;
    }
  };
  EXPECT_THAT(read_on, testing::ThrowsMessage<Error>(HasSubstr("the disk is gone")));
  EXPECT_EQ(batches, 20u);
  // Again the same, not a hang.
  EXPECT_THROW(stream->next(batch), Error);
}

/// Files of 16 MiB in memory, as members of an archive are; none is an image.
class LargeSource final : public ImageSource {
 public:
  static constexpr size_t kFile = size_t{16} << 20;

  bool next(SourceBatch& batch, const BatchLimits&) override {
    batch.clear();
    if (files_ == 0) return false;
    SourceEntry entry;
    entry.path = std::to_string(--files_) + ".png";
    entry.size = kFile;
    batch.entries.push_back(entry);
    batch.bytes.resize(kFile);
    return true;
  }
  uint64_t skip(uint64_t, const std::function<void(const std::string&)>&) override { return 0; }
  std::optional<uint64_t> total() const override { return {}; }
  double fraction() const override { return 0; }

 private:
  int files_ = 100;
};

size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

TEST_F(ImagePipelineTest, LargeFilesAreNotKeptInEverySlot) {
  const size_t before = resident_bytes();
  size_t most = 0;
  PipelineOptions options;
  options.shape = ImageShape{4, 6, 1};
  const auto stream = open_pipeline(std::make_unique<LargeSource>(), options);
  ImageBatch batch;
  size_t rows = 0;
  for (auto wait = stream->next(batch); wait != ImageStream::Wait::end;
       wait = stream->next(batch)) {
    if (wait == ImageStream::Wait::batch) rows += batch.rows.size();
    most = std::max(most, resident_bytes());
  }
  EXPECT_EQ(rows, 100u);
  // 64 MiB wait to be decoded, and one more is being read; kept in every slot they would be a GiB.
  // The address sanitizer holds 256 MiB of what was freed.
  EXPECT_LT(most - before, size_t{600} << 20);
}

TEST_F(ImagePipelineTest, CanBeLeftAtAnyMoment) {
  write_set();
  for (int batches = 0; batches < 5; ++batches) {
    const auto stream = open({.preprocessing = {}, .shape = shape_, .threads = 3, .start = {}});
    ImageBatch batch;
    for (int i = 0; i < batches; ++i) {
      while (stream->next(batch) == ImageStream::Wait::not_yet) continue;
    }
  }
}

}  // namespace
}  // namespace oddity::test
