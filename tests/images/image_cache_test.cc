// The second pass gives what the first gave, or says why it cannot.
#include "images/image_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/error.h"
#include "images/image_pipeline.h"
#include "images/source_files.h"
#include "report/png.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string text_of(const ImageBatch& batch) {
  std::string text = fmt::format("{} {} {} {:x}\n", batch.images, name_of(batch.type),
                                 batch.left_out, batch.end.paths);
  for (const ImageRow& row : batch.rows) {
    text += fmt::format("{} {} {} {}\n", row.path, row.label, name_of(row.status), row.reason);
  }
  text.append(reinterpret_cast<const char*>(batch.pixels.data()), batch.pixels.size());
  return text;
}

std::vector<std::string> read_all(ImageStream& stream) {
  std::vector<std::string> batches;
  ImageBatch batch;
  for (;;) {
    const ImageStream::Wait wait = stream.next(batch);
    if (wait == ImageStream::Wait::end) return batches;
    if (wait == ImageStream::Wait::batch) batches.push_back(text_of(batch));
  }
}

class ImageCacheTest : public testing::Test {
 protected:
  ImageCacheTest() {
    for (int i = 0; i < 200; ++i) {
      write_below(folder_ / "set", fmt::format("{}/{:03}.png", i % 2, i),
                  i % 20 == 7 ? "bad" : encode_png(Picture(5, 3, 1, static_cast<uint8_t>(i))));
    }
    write_below(folder_ / "set", "1/notes.txt", "left out");
  }
  std::unique_ptr<ImageStream> decode() const {
    return open_pipeline(open_images({folder_ / "set"}),
                         {.preprocessing = {}, .shape = shape_, .threads = 2, .start = {}});
  }
  std::string identity() const { return cache_identity({folder_ / "set"}, {}, shape_); }
  std::vector<std::string> fill() const {
    return read_all(*write_cache(cache_, identity(), decode()));
  }
  std::string bytes() const {
    std::ifstream in(cache_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  TemporaryFolder folder_;
  const ImageShape shape_{3, 5, 1};
  const fs::path cache_ = folder_ / "images.cache";
};

TEST_F(ImageCacheTest, TheSecondPassGivesWhatTheFirstGave) {
  const std::vector<std::string> first = read_all(*decode());
  ASSERT_GE(first.size(), 3u);
  EXPECT_TRUE(fill() == first);
  EXPECT_TRUE(read_all(*open_cache(cache_, {})) == first);
  EXPECT_EQ(open_cache(cache_, {})->shape(), shape_);
}

TEST_F(ImageCacheTest, GoesOnWhereABatchEnds) {
  std::vector<SourcePosition> ends;
  const auto stream = write_cache(cache_, identity(), decode());
  ImageBatch batch;
  for (;;) {
    const ImageStream::Wait wait = stream->next(batch);
    if (wait == ImageStream::Wait::end) break;
    if (wait == ImageStream::Wait::batch) ends.push_back(batch.end);
  }
  const std::vector<std::string> all = read_all(*open_cache(cache_, {}));
  for (size_t i = 0; i < ends.size(); ++i) {
    const std::vector<std::string> rest = read_all(*open_cache(cache_, ends[i]));
    EXPECT_TRUE(rest ==
                std::vector<std::string>(all.begin() + static_cast<ptrdiff_t>(i) + 1, all.end()));
  }
  SourcePosition between = ends.front();
  ++between.entries;
  EXPECT_THROW(open_cache(cache_, between), Error);
  between = ends.front();
  ++between.paths;
  EXPECT_THROW(open_cache(cache_, between), Error);
}

TEST_F(ImageCacheTest, IsThereOnlyOnceItIsWhole) {
  {
    const auto stream = write_cache(cache_, identity(), decode());
    ImageBatch batch;
    while (stream->next(batch) == ImageStream::Wait::not_yet) continue;
  }
  EXPECT_FALSE(fs::exists(cache_));
  EXPECT_EQ(folder_.entries(), 1u) << "nothing temporary is left";
}

TEST_F(ImageCacheTest, AnythingThatChangesMakesItOutdated) {
  EXPECT_EQ(cache_state(cache_, identity()), CacheState::missing);
  fill();
  const std::string before = identity();
  EXPECT_EQ(cache_state(cache_, before), CacheState::current);
  EXPECT_NE(cache_identity({folder_ / "set"}, {.resize = {}, .crop = false, .gray = true}, shape_),
            before);
  EXPECT_NE(cache_identity({folder_ / "set"}, {}, ImageShape{5, 3, 1}), before);
  EXPECT_NE(cache_identity({folder_ / "set", folder_ / "set/1/001.png"}, {}, shape_), before);
  // One byte of one file, of the same size: its time tells.
  const fs::path file = folder_ / "set/1/003.png";
  const auto time = fs::last_write_time(file);
  fs::last_write_time(file, time + std::chrono::nanoseconds(1000));
  EXPECT_EQ(cache_state(cache_, identity()), CacheState::outdated);
  fs::last_write_time(file, time);
  EXPECT_EQ(identity(), before);
  fs::rename(folder_ / "set/1/001.png", folder_ / "set/1/002.png");
  EXPECT_NE(identity(), before);
}

TEST_F(ImageCacheTest, StandardInputHasNoCache) {
  EXPECT_THROW(cache_identity({"-"}, {}, shape_), ArgumentError);
}

TEST_F(ImageCacheTest, AnotherFileIsNotTakenForOne) {
  for (const char* content : {"", "ODDITY", "a text of a user that must not be replaced"}) {
    write_bytes(cache_, content);
    EXPECT_THAT([&] { cache_state(cache_, identity()); },
                testing::ThrowsMessage<Error>(HasSubstr("not a cache")))
        << content;
  }
}

TEST_F(ImageCacheTest, DamageIsFoundWhereverItIs) {
  const std::vector<std::string> all = fill();
  const std::string whole = bytes();
  for (size_t at = 0; at < whole.size(); at += 7) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write_bytes(cache_, damaged);
    EXPECT_THROW(read_all(*open_cache(cache_, {})), Error) << "byte " << at;
    write_bytes(cache_, whole.substr(0, at));
    EXPECT_THROW(read_all(*open_cache(cache_, {})), Error) << "cut at " << at;
  }
}

}  // namespace
}  // namespace oddity::test
