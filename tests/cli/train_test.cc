// oddity train, end to end on small sets.
#include <sys/resource.h>

#include "cli/cli_fixture.h"
#include "files/model_file.h"
#include "model/architecture.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;

const std::set<std::string> kAllFiles = {"history.csv", "images.npy",    "model.h5",
                                         "plot.png",    "recon_vis.png", "set.npz"};

class TrainTest : public CliTest {
 protected:
  TrainTest() { write_images(); }
};

TEST_F(TrainTest, SaysAndWritesWhatTheReferenceDoes) {
  const ProgramResult result = run(train_arguments());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(
      result.err,
      MatchesRegex("\\[INFO\\] loading images\\.\\.\\. +images\\.npy\n"
                   "\\[INFO\\] using the whole dataset\\.\\.\\. +60 images of 6x8x1, uint8\n"
                   "\\[INFO\\] building autoencoder\\.\\.\\. +6x8x1, filters 4, latent 3, .*\n"
                   "\\[INFO\\] device cpu .*\n"
                   "Train on 48 samples, validate on 12 samples\n"
                   "Epoch 1/2\n"
                   "48/48 - [0-9]+s - loss: 0\\.[0-9]+ - val_loss: 0\\.[0-9]+\n"
                   "Epoch 2/2\n"
                   "48/48 - [0-9]+s - loss: 0\\.[0-9]+ - val_loss: 0\\.[0-9]+\n"
                   "\\[INFO\\] making predictions\\.\\.\\. +recon_vis\\.png  plot\\.png\n"
                   "\\[INFO\\] saving image data\\.\\.\\. +set\\.npz\n"
                   "\\[INFO\\] saving autoencoder\\.\\.\\. +model\\.h5\n"
                   "next: oddity find --dataset set\\.npz --model model\\.h5\n"));
  EXPECT_EQ(files(), kAllFiles);
  EXPECT_THAT(bytes("history.csv"), MatchesRegex("epoch,loss,val_loss\n1,.*\n2,.*\n"));
  EXPECT_EQ(bytes("recon_vis.png").substr(1, 3), "PNG");
}

TEST_F(TrainTest, TheModelKnowsHowItWasMade) {
  ASSERT_EQ(run(train_arguments({"--seed", "5", "--init-seed", "6"})).exit_code, 0);
  const ModelFile model = read_model(folder_ / "model.h5");
  EXPECT_EQ(model.architecture, conv_autoencoder(6, 8, 1, {4}, 3));
  ASSERT_TRUE(model.record);
  EXPECT_EQ(model.record->input_type, "uint8");
  EXPECT_EQ(model.record->seed, 5u);
  EXPECT_EQ(model.record->init_seed, 6u);
  EXPECT_EQ(model.record->loss.size(), 2u);
  EXPECT_EQ(model.record->training_scores.size(), 60u);
  EXPECT_TRUE(
      std::is_sorted(model.record->training_scores.begin(), model.record->training_scores.end()));
  EXPECT_GT(model.record->threshold, model.record->training_scores[58]);
  EXPECT_LE(model.record->threshold, model.record->training_scores[59]);
}

TEST_F(TrainTest, TheSameCommandGivesTheSameBytesWhateverTheThreads) {
  std::map<std::string, std::string> first;
  for (const char* const threads : {"1", "1", "2"}) {
    const ProgramResult result = run(train_arguments({"--threads", threads, "--force"}));
    ASSERT_EQ(result.exit_code, 0) << result.err;
    for (const std::string& name : kAllFiles) {
      const auto [found, is_new] = first.emplace(name, bytes(name));
      EXPECT_TRUE(is_new || found->second == bytes(name)) << name << ", --threads " << threads;
    }
  }
}

TEST_F(TrainTest, SeedsChangeWhatTheyShould) {
  const auto weights = [&](const Arguments& seeds) {
    Arguments arguments = train_arguments(seeds);
    arguments.push_back("--force");
    EXPECT_EQ(run(arguments).exit_code, 0);
    return read_model(folder_ / "model.h5").weights;
  };
  const Weights plain = weights({});
  EXPECT_EQ(weights({"--seed", "42", "--init-seed", "42"}), plain);
  EXPECT_NE(weights({"--init-seed", "43"}), plain);
  EXPECT_NE(weights({"--seed", "43", "--init-seed", "42"}), plain);  // another split
}

TEST_F(TrainTest, WithoutDataItTakesTheEmbeddedMnist) {
  // Nearly everything validates: one short epoch.
  const ProgramResult result =
      run({"train", "-d", "set.npz", "-m", "model.h5", "--epochs", "1", "--val-split", ".97",
           "--filters", "4", "4", "--plot", "plot.svg", "--progress", "none"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("[INFO] loading MNIST dataset...\n"),
                                HasSubstr("6,742 of label 1 + 67 of label 3, seed 42"),
                                HasSubstr("28x28x1"), testing::Not(HasSubstr("Epoch"))));
  const Dataset drawn = read_dataset(folder_ / "set.npz");
  EXPECT_EQ(drawn.size(), 6809u);
  EXPECT_EQ(std::count(drawn.label.begin(), drawn.label.end(), 3), 67);
  EXPECT_THAT(bytes("plot.svg"), HasSubstr("<svg"));
}

TEST_F(TrainTest, LabelsInTheSetAreDrawnByWhenAsked) {
  Dataset labelled = make_images(100);
  for (size_t i = 0; i < labelled.size(); ++i) labelled.label[i] = i % 2 == 0 ? 7 : 9;
  write_dataset(folder_ / "labelled.npz", labelled);
  const Arguments more = {"--images", "labelled.npz", "-d", "drawn.npz", "-m",
                          "model.h5", "--filters",    "4",  "--epochs",  "1"};
  Arguments drawing = {"train", "--valid-label", "7", "--anomaly-label", "9", "--contam", ".1"};
  drawing.insert(drawing.end(), more.begin(), more.end());
  const ProgramResult result = run(drawing);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(read_dataset(folder_ / "drawn.npz").size(), 55u);

  Arguments whole = {"train", "--force"};
  whole.insert(whole.end(), more.begin(), more.end());
  ASSERT_EQ(run(whole).exit_code, 0);
  const Dataset all = read_dataset(folder_ / "drawn.npz");
  EXPECT_EQ(all.size(), 100u);
  EXPECT_EQ(all.label, labelled.label);
}

TEST_F(TrainTest, ColourAndFloatImagesAndASinglePlainArray) {
  Dataset colour = make_images(30, {4, 6, 3});
  colour.images = ImageArray(PixelType::f32, {4, 6, 3}, 30);
  auto* const pixels = reinterpret_cast<float*>(colour.images.data());
  Philox random(8, 0);
  for (int i = 0; i < 30 * 4 * 6 * 3; ++i) pixels[i] = random.uniform();
  write_dataset(folder_ / "colour.npz", colour);
  const ProgramResult result = run({"train", "--images", "colour.npz", "-d", "set.npy", "-m",
                                    "autoencoder.model", "--filters", "3", "--epochs", "1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(read_dataset(folder_ / "set.npy").images.type(), PixelType::f32);
  EXPECT_EQ(read_model(folder_ / "autoencoder.model").record->input_type, "float32");
}

TEST_F(TrainTest, KeepsFilesThatExistUnlessForced) {
  write("model.h5", "precious");
  expect_error(run(train_arguments()), 1, {"model.h5 exists", "--force"});
  EXPECT_EQ(bytes("model.h5"), "precious");
  EXPECT_EQ(files(), (std::set<std::string>{"images.npy", "model.h5"}));
  write("plot.png", "an old picture");
  ASSERT_EQ(run(train_arguments({"--force"})).exit_code, 0);
  EXPECT_NE(bytes("model.h5"), "precious");
  EXPECT_NE(bytes("plot.png"), "an old picture");
  EXPECT_EQ(files(), kAllFiles);
}

TEST_F(TrainTest, OutputsThatCannotBeWrittenAreSaidBeforeTheWork) {
  std::filesystem::create_directory(folder_ / "folder.png");
  const std::set<std::string> before = files();
  expect_error(run(train_arguments({"--plot", "folder.png"})), 1, {"folder.png", "folder"});
  expect_error(run(train_arguments({"--vis", "nowhere/vis.png"})), 1,
               {"nowhere", "does not exist"});
  EXPECT_EQ(files(), before);
}

TEST_F(TrainTest, AFullDiskLeavesNothingHalfWritten) {
  const ProgramResult result = run(train_arguments({"--history", "/dev/full"}));
  expect_error(result, 1, {"/dev/full", "No space left"});
  EXPECT_EQ(files().count("model.h5"), 0u);
  for (const std::string& name : files()) EXPECT_FALSE(name.ends_with(".tmp")) << name;
}

// A process that writes past `ulimit -f` is killed by a signal unless it asks not to be.
TEST_F(TrainTest, ALimitOnFileSizesIsAnErrorLikeAnother) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 16;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const ProgramResult result = run(train_arguments());
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  expect_error(result, 1, {"model.h5.ckpt", "too large"});
  EXPECT_EQ(files(), std::set<std::string>{"images.npy"});
}

TEST_F(TrainTest, TooHighALearningRateIsSaid) {
  expect_error(run(train_arguments({"--lr", "1e30"}, /*epochs=*/50)), 1, {"loss", "--lr"});
  EXPECT_EQ(files(), std::set<std::string>{"images.npy"});
}

TEST_F(TrainTest, CtrlCInTheFirstEpochLeavesNothingBehind) {
  write_images("images.npy", 200000);  // seconds an epoch
  Program program(train_arguments(), {.folder = folder_.path()});
  ASSERT_TRUE(program.wait_for_error_text("Epoch 1/"));
  program.interrupt();
  expect_error(program.finish(), 130, {"interrupted", "no file was written"});
  EXPECT_EQ(files(), std::set<std::string>{"images.npy"});
}

}  // namespace
}  // namespace oddity::test
