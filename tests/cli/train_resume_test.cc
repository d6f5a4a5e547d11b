// oddity train that is stopped, by Ctrl-C or kill -9, and goes on with --resume.
#include <algorithm>

#include "cli/cli_fixture.h"
#include "train/checkpoint.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kCheckpoint = "model.h5.ckpt";
constexpr int64_t kEpochs = 30;
/// So many that an epoch takes 20 ms and more: a busy machine delivers a signal some epochs late.
constexpr size_t kImages = 3000;

class TrainResumeTest : public CliTest {
 protected:
  TrainResumeTest() { write_images("images.npy", kImages); }

  static Arguments long_training(const Arguments& more = {}) {
    return train_arguments(more, kEpochs);
  }
  /// What a training that nobody stops leaves; the folder is then as it was before.
  std::map<std::string, std::string> files_of_whole_training() const {
    const ProgramResult result = run(long_training());
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::map<std::string, std::string> all = contents();
    for (const auto& [name, content] : all) {
      if (name != "images.npy") std::filesystem::remove(folder_ / name);
    }
    return all;
  }
  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> all;
    for (const std::string& name : files()) all[name] = bytes(name);
    return all;
  }
  /// Starts a training and ends it at once when it says that epoch `k` begins.
  void kill_in_epoch(int64_t k, const Arguments& arguments) const {
    Program program(arguments, options());
    ASSERT_TRUE(program.wait_for_error_text("Epoch " + std::to_string(k) + "/"));
    program.kill();
    ASSERT_EQ(program.finish().signal, SIGKILL);
    remove_temporary_files();
    ASSERT_TRUE(files().contains(kCheckpoint));
  }
  ProgramOptions options() const {
    return {.folder = folder_.path(), .variables = {{"CUDA_VISIBLE_DEVICES", ""}}};
  }
  /// kill -9 leaves the file that was being written under its temporary name.
  void remove_temporary_files() const {
    for (const std::string& name : files()) {
      if (name.ends_with(".tmp")) std::filesystem::remove(folder_ / name);
    }
  }
  int64_t epochs_kept() const { return std::ssize(read_checkpoint(folder_ / kCheckpoint).history); }
};

TEST_F(TrainResumeTest, KilledAgainAndAgainItLeavesTheSameBytes) {
  const auto whole = files_of_whole_training();
  Arguments arguments = long_training();
  int64_t kept = 0;
  for (const int64_t further : {2, 7, 1, 8}) {
    const int64_t epoch = kept + further;
    kill_in_epoch(epoch, arguments);
    kept = epochs_kept();
    EXPECT_GE(kept, epoch - 1);
    EXPECT_EQ(files(), (std::set<std::string>{"images.npy", kCheckpoint}));
    arguments = long_training({"--resume", "--threads", further % 2 == 0 ? "1" : "2"});
    if (kept >= 15) break;  // the signals came late: what is left is kept for the end
  }
  const ProgramResult result = run(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("[INFO] resuming after epoch " + std::to_string(kept) + " of 30\n"),
                    HasSubstr("Epoch 30/30"), Not(HasSubstr("Epoch 1/30"))));
  EXPECT_EQ(contents(), whole);
}

TEST_F(TrainResumeTest, CtrlCSaysWhatIsSafeAndHowToGoOn) {
  const auto whole = files_of_whole_training();
  Program program(long_training(), options());
  ASSERT_TRUE(program.wait_for_error_text("Epoch 3/"));
  program.interrupt();
  const ProgramResult stopped = program.finish();
  const std::string kept = std::to_string(epochs_kept());
  expect_error(stopped, 130,
               {"interrupted: epoch " + kept + " of 30 is safe in model.h5.ckpt", "--resume"});
  EXPECT_EQ(files(), (std::set<std::string>{"images.npy", kCheckpoint}));
  const ProgramResult result = run(long_training({"--resume"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("resuming after epoch " + kept + " of 30"));
  EXPECT_EQ(contents(), whole);
}

TEST_F(TrainResumeTest, WithNothingThereItStartsAndAFinishedTrainingIsLeftAlone) {
  const auto whole = files_of_whole_training();
  ProgramResult result = run(long_training({"--resume"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("Epoch 1/30"), Not(HasSubstr("resuming"))));
  EXPECT_EQ(contents(), whole);

  std::filesystem::remove(folder_ / "plot.png");
  result = run(long_training({"--resume", "--seed", "7"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "[INFO] nothing to resume: model.h5 is finished\n");
  EXPECT_FALSE(files().contains("plot.png"));
  EXPECT_EQ(bytes("model.h5"), whole.at("model.h5"));

  // --force asks for it all the same.
  result = run(long_training({"--resume", "--force"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("Epoch 1/30"));
  EXPECT_EQ(contents(), whole);
}

TEST_F(TrainResumeTest, TheVariableAndTheFileAskForItToo) {
  kill_in_epoch(2, long_training());
  ProgramOptions with_variable;
  with_variable.variables = {{"ODDITY_RESUME", "1"}};
  const ProgramResult by_variable = run(long_training(), with_variable);
  EXPECT_EQ(by_variable.exit_code, 0) << by_variable.err;
  EXPECT_THAT(by_variable.err, HasSubstr("resuming after epoch"));
  write("run.toml", "[train]\nresume = true\n");
  const ProgramResult by_file = run(long_training({"--config", "run.toml"}));
  EXPECT_THAT(by_file.err, HasSubstr("nothing to resume"));
}

TEST_F(TrainResumeTest, AnUnfinishedTrainingIsNotLostByAccident) {
  const auto whole = files_of_whole_training();
  kill_in_epoch(4, long_training());
  const std::string kept = bytes(kCheckpoint);
  expect_error(
      run(long_training()), 1,
      {"model.h5.ckpt holds epoch " + std::to_string(epochs_kept()), "--resume", "--force"});
  EXPECT_EQ(bytes(kCheckpoint), kept);
  const ProgramResult forced = run(long_training({"--force"}));
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
  EXPECT_THAT(forced.err, HasSubstr("Epoch 1/30"));
  EXPECT_EQ(contents(), whole);
}

TEST_F(TrainResumeTest, OtherOptionsAreNamed) {
  kill_in_epoch(2, long_training());
  const std::string kept = bytes(kCheckpoint);
  const std::vector<std::pair<Arguments, std::vector<std::string>>> others = {
      {{"--lr", "0.01"}, {"--lr 0.001", "--lr 0.01"}},
      {{"--batch-size", "16"}, {"--batch-size 32", "--batch-size 16"}},
      {{"--robust", "--trim", "0.2"}, {"--trim 0.0", "--trim 0.2"}},
      {{"--seed", "1"}, {"--seed 42", "--seed 1"}},
      {{"--init-seed", "1"}, {"--init-seed 42", "--init-seed 1"}},
      {{"--val-split", ".5"}, {"--val-split 0.2", "--val-split 0.5"}},
      {{"--latent-dim", "4", "--lr", "7"}, {"--latent-dim 3", "--latent-dim 4"}}};
  for (const auto& [change, parts] : others) {
    // Each option may be given once.
    Arguments arguments = {"train",     "--images", "images.npy", "-d", "set.npz", "-m", "model.h5",
                           "--filters", "4",        "--epochs",   "30", "--resume"};
    if (change.front() != "--latent-dim") arguments.insert(arguments.end(), {"--latent-dim", "3"});
    arguments.insert(arguments.end(), change.begin(), change.end());
    const ProgramResult result = run(arguments);
    expect_error(result, 1, parts);
    expect_error(result, 1, {"model.h5.ckpt", "--force"});
  }
  expect_error(run(train_arguments({"--resume"}, 31)), 1, {"--epochs 30", "--epochs 31"});
  write_images("images.npy", kImages - 1);
  expect_error(run(long_training({"--resume"})), 1,
               {fmt::format("images {} of 6x8x1, uint8, xxh3:", kImages),
                fmt::format("images {} of 6x8x1, uint8, xxh3:", kImages - 1)});
  EXPECT_EQ(bytes(kCheckpoint), kept);
  EXPECT_EQ(files(), (std::set<std::string>{"images.npy", kCheckpoint}));
}

TEST_F(TrainResumeTest, ADamagedCheckpointIsSaid) {
  write(kCheckpoint, "rubbish");
  for (const Arguments& more : {Arguments{}, Arguments{"--resume"}, {"--resume", "--force"}}) {
    expect_error(run(long_training(more)), 1,
                 {"model.h5.ckpt cannot be continued", "not a checkpoint", "--force"});
  }
  EXPECT_EQ(files(), (std::set<std::string>{"images.npy", kCheckpoint}));
  EXPECT_EQ(run(train_arguments({"--force"}, 1)).exit_code, 0);
  EXPECT_FALSE(files().contains(kCheckpoint));
}

TEST_F(TrainResumeTest, StoppedWhileItWroteItsFilesItReplacesItsOwn) {
  const auto whole = files_of_whole_training();
  kill_in_epoch(3, long_training());
  for (const char* const name : {"set.npz", "model.h5"}) write(name, whole.at(name));
  const ProgramResult result = run(long_training({"--resume"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(contents(), whole);
}

TEST_F(TrainResumeTest, AnotherDataSetIsReplacedOnlyByForce) {
  const auto whole = files_of_whole_training();
  kill_in_epoch(3, long_training());
  for (const std::string& other : {std::string("precious"), [&] {
                                     write_dataset(folder_ / "set.npz", make_images(3));
                                     return bytes("set.npz");
                                   }()}) {
    write("set.npz", other);
    expect_error(run(long_training({"--resume"})), 1, {"set.npz exists", "--force"});
    EXPECT_EQ(bytes("set.npz"), other);
  }
  const ProgramResult result = run(long_training({"--resume", "--force"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("resuming after epoch"));
  EXPECT_EQ(contents(), whole);
}

TEST_F(TrainResumeTest, WhatCannotBeWrittenAtTheEndCostsNoEpoch) {
  const ProgramResult full = run(train_arguments({"--history", "/dev/full"}));
  expect_error(full, 1, {"/dev/full", "No space left"});
  EXPECT_EQ(epochs_kept(), 2);
  const ProgramResult result = run(train_arguments({"--resume"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("resuming after epoch 2 of 2"), Not(HasSubstr("Epoch "))));
  EXPECT_FALSE(files().contains(kCheckpoint));
}

TEST_F(TrainResumeTest, NothingIsKeptBesideAPipe) {
  const Arguments arguments = {"train",     "--images",  "images.npy", "-d",       "set.npz", "-m",
                               "/dev/null", "--filters", "4",          "--epochs", "1"};
  const ProgramResult result = run(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_FALSE(std::filesystem::exists("/dev/null.ckpt"));
  Arguments resuming = arguments;
  resuming.push_back("--resume");
  expect_error(run(resuming), 2, {"--resume", "/dev/null", "not a file"});
}

TEST_F(TrainResumeTest, TheCheckpointsNameIsTaken) {
  expect_error(run(long_training({"--history", kCheckpoint})), 2,
               {"--history", "the checkpoint of --model", kCheckpoint});
}

}  // namespace
}  // namespace oddity::test
