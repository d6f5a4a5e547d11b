// oddity score, killed and interrupted at any moment: the finished table is the same.
#include <chrono>
#include <random>
#include <thread>

#include "cli/cli_fixture.h"
#include "files/model_file.h"
#include "report/png.h"

namespace oddity::test {
namespace {

/// Half a second of work, in files: the journal grows by a block every few milliseconds.
class ScoreResumeTest : public CliTest {
 protected:
  ScoreResumeTest() {
    const Architecture architecture = conv_autoencoder(32, 32, 1, {32, 64}, 16);
    write_model(folder_ / "model.h5",
                {architecture, initial_weights(architecture, 3), std::nullopt, ""});
    std::filesystem::create_directory(folder_ / "set");
    Philox random(5, 0);
    for (int i = 0; i < kImages; ++i) {
      Picture picture(32, 32, 1);
      for (uint8_t& pixel : picture.pixels) pixel = static_cast<uint8_t>(random());
      write(fmt::format("set/{:05}.png", i), i % 100 == 7 ? "bad" : encode_png(picture));
    }
  }

  static Arguments score(const std::string& output) {
    return {"score", "-m", "model.h5", "--images", "set", "-o", output, "--resume", "-q", ".99"};
  }
  ProgramOptions options() const {
    return {.folder = folder_.path(), .variables = {{"CUDA_VISIBLE_DEVICES", ""}}};
  }

  static constexpr int kImages = 1500;
};

TEST_F(ScoreResumeTest, TwentyKillsChangeNoByte) {
  ASSERT_EQ(run(score("whole.csv")).exit_code, 0);
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> wait(1, 100);
  int killed = 0;
  for (int run = 0; killed < 20; ++run) {
    ASSERT_LT(run, 1000) << "nothing is ever killed in time";
    Program program(score("killed.csv"), options());
    std::this_thread::sleep_for(std::chrono::milliseconds(wait(random)));
    program.kill();
    if (program.finish().signal != 0) ++killed;
    if (files().contains("killed.csv")) {
      // Finished: what the kills left behind has become a table, and the next begins.
      if (bytes("killed.csv") != bytes("whole.csv")) break;
      for (const char* name : {"killed.csv", "killed.csv.run.json", "killed.csv.journal"}) {
        std::filesystem::remove(folder_ / name);
      }
    }
  }
  ASSERT_EQ(run(score("killed.csv")).exit_code, 0);
  EXPECT_EQ(bytes("killed.csv"), bytes("whole.csv"));
}

TEST_F(ScoreResumeTest, AnInterruptSaysWhatIsSafe) {
  ASSERT_EQ(run(score("whole.csv")).exit_code, 0);
  Program program(score("stopped.csv"), options());
  ASSERT_TRUE(program.wait_for_error_text(" images - "));
  program.interrupt();
  const ProgramResult stopped = program.finish();
  if (stopped.exit_code != 0) {  // else it was faster
    expect_error(stopped, 130, {"rows are safe in stopped.csv.journal", "--resume"});
    EXPECT_FALSE(files().contains("stopped.csv"));
  }
  const ProgramResult rest = run(score("stopped.csv"));
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(rest.err.find("going on...") != std::string::npos, stopped.exit_code != 0);
  EXPECT_EQ(bytes("stopped.csv"), bytes("whole.csv"));
}

TEST_F(ScoreResumeTest, ARemovedJournalDoesNotStopTheRun) {
  ASSERT_EQ(run(score("whole.csv")).exit_code, 0);
  Program program(score("gone.csv"), options());
  ASSERT_TRUE(program.wait_for_error_text(" images - "));
  std::filesystem::remove(folder_ / "gone.csv.journal");
  const ProgramResult result = program.finish();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(bytes("gone.csv"), bytes("whole.csv"));
}

TEST_F(ScoreResumeTest, ARemovedFolderIsMadeAgain) {
  ASSERT_EQ(run(score("whole.csv")).exit_code, 0);
  std::filesystem::create_directory(folder_ / "out");
  Program program(score("out/gone.csv"), options());
  ASSERT_TRUE(program.wait_for_error_text(" images - "));
  std::filesystem::remove_all(folder_ / "out");
  const ProgramResult result = program.finish();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(bytes("out/gone.csv"), bytes("whole.csv"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/gone.csv.run.json"));
}

TEST_F(ScoreResumeTest, TwoRunsDoNotShareAJournal) {
  Program program(score("twice.csv"), options());
  ASSERT_TRUE(program.wait_for_error_text(" images - "));
  const ProgramResult second = run(score("twice.csv"));
  const ProgramResult first = program.finish();
  EXPECT_EQ(first.exit_code, 0) << first.err;
  // Unless the first was done before the second began.
  if (second.exit_code != 0) {
    expect_error(second, 1, {"twice.csv.journal", "another"});
  }
}

}  // namespace
}  // namespace oddity::test
