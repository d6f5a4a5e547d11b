#include "images/image_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "images/source_files.h"
#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ImageSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    // Paths as given are short, and the same in every run.
    before_ = fs::current_path();
    fs::current_path(folder_.path());
    write_below(".", "set/3/a.png", png_like("a"));
    write_below(".", "set/b.png", png_like("b"));
    write_bytes("one.png", png_like("one"));
    write_bytes("nameless", png_like("two"));
    write_bytes("broken.png", "no image");
    const std::vector<MadeMember> members{{"5/x.png", png_like("x")}, {"y.png", png_like("y")}};
    write_bytes("plain", make_archive(MadeFormat::tar, members));
    write_bytes("gzip", make_archive(MadeFormat::tar_gzip, members));
    write_bytes("xz", make_archive(MadeFormat::tar_xz, members));
    write_bytes("zstd", make_archive(MadeFormat::tar_zstd, members));
    write_bytes("zip", make_archive(MadeFormat::zip, members));
  }
  void TearDown() override { fs::current_path(before_); }

  static std::vector<std::string> paths(const std::vector<fs::path>& inputs) {
    return paths_of(rest_of(*open_images(inputs)));
  }
  static std::string error(const std::vector<fs::path>& inputs) {
    return error_text<Error>([&] { open_images(inputs); });
  }

  TemporaryFolder folder_;
  fs::path before_;
};

TEST_F(ImageSourceTest, OneInputIsNotNamed) {
  EXPECT_THAT(paths({"set"}), ElementsAre("3/a.png", "b.png"));
  EXPECT_THAT(paths({"one.png"}), ElementsAre("one.png"));
  for (const char* archive : {"plain", "gzip", "xz", "zstd", "zip"}) {
    EXPECT_THAT(paths({archive}), ElementsAre("5/x.png", "y.png")) << archive;
  }
  EXPECT_THAT(paths({data_golden("no_index.npz")}), testing::Each(""));
}

TEST_F(ImageSourceTest, SeveralInputsAreNamed) {
  EXPECT_THAT(paths({"set", "one.png", "zip", "./set/", "nameless", "one.png"}),
              ElementsAre("set/3/a.png", "set/b.png", "one.png", "zip/5/x.png", "zip/y.png",
                          "./set/3/a.png", "./set/b.png", "nameless", "one.png"));
  const fs::path array = data_golden("images.idx.gz");
  const auto rows = paths({array, array});
  EXPECT_THAT(rows, testing::Each(array.string()));
  EXPECT_EQ(rows.size(), 2 * paths({array}).size());
}

TEST_F(ImageSourceTest, ArraysAreToldByTheirContent) {
  for (const char* name :
       {"images.idx", "images.idx.gz", "f32.npy", "f64.npy", "stored.npz", "deflated.npz"}) {
    const fs::path copy = fs::path(std::string(name) + ".png");
    fs::copy_file(data_golden(name), copy);
    if (std::string(name) == "images.idx.gz") continue;  // gzip is looked into only without .png
    SourceBatch batch;
    ASSERT_TRUE(open_images({copy})->next(batch, {})) << name;
    EXPECT_TRUE(batch.raw) << name;
  }
}

TEST_F(ImageSourceTest, AFileCalledLikeAnImageIsOne) {
  EXPECT_THAT(paths({"broken.png", "one.png"}), ElementsAre("broken.png", "one.png"));
  write_bytes("empty.jpg", "");
  EXPECT_THAT(paths({"empty.jpg"}), ElementsAre("empty.jpg"));
}

TEST_F(ImageSourceTest, WhatIsNoInputIsSaidBeforeTheWork) {
  EXPECT_THAT(error({"set", "missing"}), HasSubstr("missing: no such file"));
  EXPECT_THAT(error({}), HasSubstr("no images"));
  EXPECT_THAT(error({"-", "set", "-"}), HasSubstr("given twice"));
  write_bytes("text", "hello, world");
  EXPECT_THAT(error({"set", "text"}), AllOf(HasSubstr("text: no images"), HasSubstr("hello, w"),
                                            HasSubstr("accepted are folders")));
  write_bytes("empty", "");
  EXPECT_THAT(error({"empty"}), HasSubstr("empty: no images: empty"));
  write_bytes("model", "\x89HDF\r\n\x1a\n and more");
  EXPECT_THAT(error({"model"}), HasSubstr("--model"));
  EXPECT_THAT(error({"/dev/null"}), HasSubstr("not a regular file"));
  EXPECT_THAT(error({data_golden("bad_flat.npy")}), HasSubstr("bad_flat.npy"));
  EXPECT_THAT(error({data_golden("bad_no_images.npz")}), HasSubstr("no array 'images'"));
  write_bytes("packed", bytes_of("gzip").substr(0, 20));
  EXPECT_THAT(error({"packed"}), HasSubstr("packed: "));
}

TEST_F(ImageSourceTest, EmptyInputsHoldNothing) {
  write_bytes("empty.tar", make_archive(MadeFormat::tar, {}));
  write_bytes("empty.zip", make_archive(MadeFormat::zip, {}));
  fs::create_directory("nothing");
  EXPECT_THAT(paths({"empty.tar"}), IsEmpty());
  EXPECT_THAT(paths({"empty.zip"}), IsEmpty());
  EXPECT_THAT(paths({"empty.tar", "nothing", "one.png", "empty.zip"}), ElementsAre("one.png"));
}

TEST_F(ImageSourceTest, ADamagedInputIsARowAndTheNextGoesOn) {
  write_bytes("cut", bytes_of("plain").substr(0, 1600));
  const auto entries = rest_of(*open_images({"cut", "one.png"}));
  EXPECT_THAT(paths_of(entries), ElementsAre("cut/5/x.png", "cut", "one.png"));
  EXPECT_EQ(entries[1].status, ImageStatus::truncated);
}

TEST_F(ImageSourceTest, SkippingIsReadingAcrossInputs) {
  EXPECT_EQ(skip_problem([] {
              return open_images({"set", "one.png", "gzip", "nameless", data_golden("images.idx"),
                                  data_golden("stored.npz"), "plain"});
            }),
            "");
}

TEST_F(ImageSourceTest, TotalsAddUp) {
  const auto source = open_images({"one.png", data_golden("images.idx"), "nameless"});
  const auto total = source->total();
  ASSERT_TRUE(total);
  EXPECT_EQ(source->fraction(), 0);
  EXPECT_EQ(rest_of(*source).size(), *total);
  EXPECT_EQ(source->fraction(), 1);
  const auto unknown = open_images({"set", "zip"});
  EXPECT_FALSE(unknown->total());
  rest_of(*unknown);
  EXPECT_EQ(unknown->total(), 4u);
  EXPECT_EQ(unknown->fraction(), 1);
}

TEST_F(ImageSourceTest, StopEndsAtTheNextInput) {
  const auto source = open_images({"one.png", "set"});
  SourceBatch batch;
  ASSERT_TRUE(source->next(batch, {}));
  source->stop();
  EXPECT_FALSE(source->next(batch, {}));
}

}  // namespace
}  // namespace oddity::test
