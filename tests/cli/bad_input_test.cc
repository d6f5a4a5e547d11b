// Files that are not what they should be: one line that says so, exit code 1, nothing written. What
// each reader refuses in detail is tested beside it; here the whole program is.
#include <cstring>

#include "cli/cli_fixture.h"
#include "files/model_file.h"
#include "model/architecture.h"
#include "model/weights.h"

namespace oddity::test {
namespace {

class BadInputTest : public CliTest {
 protected:
  BadInputTest() {
    write_images();
    ModelFile model;
    model.architecture = conv_autoencoder(6, 8, 1, {4}, 3);
    model.weights = initial_weights(model.architecture, 42);
    write_model(folder_ / "model.h5", model);
  }

  /// Both commands refuse `name` as data, the message holding `parts`, and write nothing.
  void expect_bad_data(const std::string& name, const std::vector<std::string>& parts) const {
    const std::set<std::string> before = files();
    expect_error(run({"train", "--images", name, "-d", "set.npz", "-m", "new.h5"}), 1, parts);
    expect_error(run({"find", "-d", name, "-m", "model.h5"}), 1, parts);
    expect_error(run({"inspect", name}), 1, parts);
    EXPECT_EQ(files(), before);
  }
  void expect_bad_model(const std::string& name, const std::vector<std::string>& parts) const {
    const std::set<std::string> before = files();
    expect_error(run({"find", "-d", "images.npy", "-m", name}), 1, parts);
    EXPECT_EQ(files(), before);
  }

  /// An IDX file that declares these extents.
  static std::string idx(const std::vector<uint32_t>& extents, size_t bytes) {
    std::string file = {'\0', '\0', '\x08', static_cast<char>(extents.size())};
    for (const uint32_t extent : extents) {
      for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(extent >> shift & 255);
    }
    return file + std::string(bytes, '\x01');
  }
};

TEST_F(BadInputTest, MissingFilesAndFolders) {
  expect_bad_data("missing.npz", {"missing.npz", "no such file"});
  std::filesystem::create_directory(folder_ / "folder");
  expect_bad_data("folder", {"folder"});
  expect_bad_model("missing.h5", {"--model missing.h5", "no such file"});
  expect_bad_model("folder", {"--model folder", "name a file"});
}

TEST_F(BadInputTest, EmptyFiles) {
  write("empty.npz", "");
  expect_bad_data("empty.npz", {"empty.npz", "empty"});
  expect_bad_model("empty.npz", {"empty.npz"});
}

TEST_F(BadInputTest, TruncatedFiles) {
  for (const std::string name : {"images.npy", "model.h5"}) {
    const std::string whole = bytes(name);
    write("cut-" + name, whole.substr(0, whole.size() / 2));
  }
  write_images("images.npz");
  write("cut-images.npz", bytes("images.npz").substr(0, 700));
  write("cut.idx", idx({3, 8, 6}, 100));
  expect_bad_data("cut-images.npy", {"cut-images.npy"});
  expect_bad_data("cut-images.npz", {"cut-images.npz"});
  expect_bad_data("cut.idx", {"cut.idx", "144"});
  expect_bad_model("cut-model.h5", {"cut-model.h5"});
}

TEST_F(BadInputTest, ABitThatFlippedInAnNpz) {
  write_images("images.npz");
  std::string flipped = bytes("images.npz");
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 4);
  write("flipped.npz", flipped);
  expect_bad_data("flipped.npz", {"flipped.npz"});
}

TEST_F(BadInputTest, CountsThatOverflow) {
  write("huge.idx", idx({0xffffffff, 0xffffffff, 0xffffffff}, 10));
  expect_bad_data("huge.idx", {"huge.idx"});
}

TEST_F(BadInputTest, NegativeSizes) {
  std::string file = bytes("images.npy");
  const size_t at = file.find("(60,");
  ASSERT_NE(at, std::string::npos);
  file.replace(at, 4, "(-6,");
  write("negative.npy", file);
  expect_bad_data("negative.npy", {"negative.npy"});
}

TEST_F(BadInputTest, APickleThatWouldCallSomething) {
  write("evil.pickle", "cposix\nsystem\n(S'touch owned'\ntR.");
  expect_bad_data("evil.pickle", {"evil.pickle", "posix"});
}

TEST_F(BadInputTest, SomethingElseAltogether) {
  write("letter.txt", "Dear Sir or Madam,\n");
  expect_bad_data("letter.txt", {"letter.txt", "NPZ"});
  expect_bad_data("/dev/null", {"/dev/null"});
  expect_bad_model("letter.txt", {"letter.txt"});
  expect_bad_model("images.npy", {"images.npy"});
}

TEST_F(BadInputTest, NotANumberInTheImages) {
  Dataset dataset = make_images(5);
  dataset.images = ImageArray(PixelType::f32, {8, 6, 1}, 5);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(dataset.images.data() + 3 * dataset.images.view().image_bytes(), &nan, sizeof nan);
  write_dataset(folder_ / "nan.npy", dataset);
  expect_bad_data("nan.npy", {"nan.npy", "3", "nan"});
}

TEST_F(BadInputTest, LabelsThatDoNotMatch) {
  write("images.idx", idx({20, 8, 6}, 960));
  write("labels.idx", idx({19}, 19));
  const std::set<std::string> before = files();
  const auto train = [&](const std::string& labels) {
    return run(
        {"train", "--images", "images.idx", "--labels", labels, "-d", "set.npz", "-m", "new.h5"});
  };
  expect_error(train("labels.idx"), 1, {"labels.idx", "19", "images.idx", "20"});
  expect_error(train("missing.idx"), 1, {"--labels missing.idx", "no such file"});
  expect_error(train("images.idx"), 1, {"images.idx"});
  EXPECT_EQ(files(), before);
}

TEST_F(BadInputTest, ALabelThatDoesNotOccur) {
  expect_error(run({"train", "--valid-label", "11", "-d", "set.npz", "-m", "new.h5"}), 1, {"11"});
}

TEST_F(BadInputTest, TooFewImagesToSplit) {
  write_images("one.npy", 1);
  expect_error(run({"train", "--images", "one.npy", "-d", "set.npz", "-m", "new.h5"}), 1, {"1"});
}

}  // namespace
}  // namespace oddity::test
