// oddity train on folders and archives of pictures: what is done with them is known to the model.
#include <cmath>

#include "cli/cli_fixture.h"
#include "files/model_file.h"
#include "images/source_files.h"
#include "report/png.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TrainImagesTest : public CliTest {
 protected:
  TrainImagesTest() {
    Philox random(5, 0);
    for (int i = 0; i < kImages; ++i) {
      Picture picture(13, 9, 3);
      for (uint8_t& pixel : picture.pixels) pixel = static_cast<uint8_t>(random());
      const std::string name = fmt::format("{}/{:03}.png", i % 3, i);
      members_.push_back({name, encode_png(picture)});
      write_below(folder_ / "set", name, members_.back().bytes);
    }
    std::sort(members_.begin(), members_.end(),
              [](const MadeMember& a, const MadeMember& b) { return a.name < b.name; });
  }

  static Arguments train(const std::string& images, const Arguments& more = {}) {
    Arguments all = {"train",    "--images",  images, "-d",           "set.npz", "-m",
                     "model.h5", "--filters", "4",    "--latent-dim", "3",       "--epochs",
                     "1",        "--resize",  "8x6",  "--gray",       "--crop"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  static constexpr int kImages = 45;
  std::vector<MadeMember> members_;
};

TEST_F(TrainImagesTest, TheModelStatesWhatWasDoneAndScoringDoesItAgain) {
  const ProgramResult result = run(train("set"));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const ModelFile model = read_model(folder_ / "model.h5");
  EXPECT_EQ(model.record->preprocessing,
            (Preprocessing{.resize = ImageSize{8, 6}, .crop = true, .gray = true}));
  EXPECT_EQ(model.architecture.image(), (ImageShape{6, 8, 1}));
  const Dataset dataset = read_dataset(folder_ / "set.npz");
  ASSERT_EQ(dataset.size(), size_t{kImages});
  EXPECT_EQ(dataset.path.front(), "0/000.png");
  EXPECT_EQ(dataset.path.back(), "2/044.png");
  EXPECT_EQ(dataset.label.front(), 0);
  EXPECT_EQ(dataset.label.back(), 2);
  EXPECT_EQ(dataset.index.back(), kImages - 1);

  // The saved set is scored as it is, the pictures are preprocessed again: the same scores.
  ASSERT_EQ(run({"find", "-d", "set.npz", "-m", "model.h5", "--scores", "find.npy"}).exit_code, 0);
  ASSERT_EQ(run({"score", "-m", "model.h5", "--images", "set", "-o", "score.npy"}).exit_code, 0);
  EXPECT_EQ(bytes("score.npy"), bytes("find.npy"));
}

TEST_F(TrainImagesTest, AnArchiveOfTheSameImagesIsTheSameSet) {
  ASSERT_EQ(run(train("set")).exit_code, 0);
  const std::string dataset = bytes("set.npz");
  const std::string model = bytes("model.h5");
  for (const MadeFormat format : {MadeFormat::tar, MadeFormat::zip}) {
    write("archive", make_archive(format, members_));
    const ProgramResult result = run(train("archive", {"--force", "--threads", "3"}));
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(bytes("set.npz"), dataset);
    EXPECT_EQ(bytes("model.h5"), model);
  }
}

TEST_F(TrainImagesTest, BadImagesAreLeftOutAndSaid) {
  write("set/0/bad.png", "text");
  write("set/notes.txt", "text");
  const ProgramResult result = run(train("set"));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("0/bad.png: not-an-image"));
  EXPECT_THAT(result.err, HasSubstr("1 of 46 images cannot be used and is left out"));
  EXPECT_THAT(result.err, HasSubstr("1 file is left out"));
  const Dataset dataset = read_dataset(folder_ / "set.npz");
  EXPECT_EQ(dataset.size(), size_t{kImages});
  EXPECT_EQ(dataset.index.back(), kImages) << "bad rows are counted";
  expect_error(run(train("set", {"--max-bad", "0", "--force"})), 4,
               {"1 image cannot be used, --max-bad allows 0: allow more, or mend or remove"});
  EXPECT_THAT(run(train("set", {"--max-bad", "0", "--force"})).err,
              HasSubstr("0/bad.png: not-an-image"));
}

TEST_F(TrainImagesTest, TheReportListsBadImagesByReason) {
  for (int i = 0; i < 25; ++i) write(fmt::format("set/0/bad{:02}.png", i), "text");
  write("set/1/short.png", members_[0].bytes.substr(0, 40));
  const ProgramResult result = run(train("set", {"--report", "report.html"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(bytes("report.html"),
              AllOf(HasSubstr("of 45 images"), HasSubstr("26 files could not be used"),
                    HasSubstr("25 not-an-image"), HasSubstr("0/bad19.png"),
                    HasSubstr("and 5 more<"), HasSubstr("1 truncated"), HasSubstr("1/short.png")));
  // The terminal names a few of them.
  EXPECT_THAT(result.err, AllOf(HasSubstr("0/bad04.png"), Not(HasSubstr("0/bad05.png"))));
}

TEST_F(TrainImagesTest, WithoutResizeTheFirstImageSetsTheSize) {
  write_below(folder_ / "set", "9/large.png", encode_png(Picture(26, 18, 3)));
  const ProgramResult result =
      run({"train", "--images", "set", "-d", "set.npz", "-m", "model.h5", "--filters", "4"});
  expect_error(result, 2, {"width 13", "12 or 14"});
  EXPECT_THAT(result.err, HasSubstr("9/large.png: wrong-size: 26x18x3, expected 13x9x3"));
}

TEST_F(TrainImagesTest, FoldersNamedByLabelsAreDrawnBy) {
  const ProgramResult result =
      run(train("set", {"--valid-label", "1", "--anomaly-label", "2", "--contam", ".2"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("15 of label 1 + 3 of label 2"));
  const Dataset dataset = read_dataset(folder_ / "set.npz");
  ASSERT_EQ(dataset.size(), 18u);
  for (size_t i = 0; i < dataset.size(); ++i) {
    EXPECT_EQ(dataset.path[i].substr(0, 1), std::to_string(dataset.label[i]));
  }
}

TEST_F(TrainImagesTest, NothingToLearnFrom) {
  write("bad.png", "text");
  expect_error(run(train("bad.png")), 1, {"bad.png", "no image"});
  std::filesystem::create_directory(folder_ / "empty");
  expect_error(run(train("empty")), 1, {"empty", "no image"});
  expect_error(run({"train", "--gray", "-d", "set.npz", "-m", "model.h5"}), 2, {"--images"});
}

}  // namespace
}  // namespace oddity::test
