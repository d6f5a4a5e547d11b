// A CUDA device that fails while it computes: with --device auto the CPU does the work, and leaves
// the very files that --device cpu leaves; a device that was asked for is an error.
#include "plugin/plugin_fixture.h"

namespace oddity::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class FallbackTest : public PluginTest {
 protected:
  using Files = std::map<std::string, std::string>;

  FallbackTest() {
    place_fake();
    write_images();
  }

  /// Every file in the folder.
  Files contents() const {
    Files all;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename();
      if (entry.is_regular_file()) all[name] = bytes(name);
    }
    return all;
  }
  static std::map<std::string, std::string> failing(const std::string& where) {
    return {{"FAKE_CUDA_FAILS_AT", where}};
  }
  static Arguments find(const Arguments& more) {
    Arguments all = {"find", "-d",  "images.npy", "-m",      "model.h5",
                     "-q",   "0.9", "--scores",   "all.csv", "--force"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  static constexpr const char* kCheckpoint = "model.h5.ckpt";
  /// When epochs were done.
  static inline const std::set<std::string> kFailsLate = {"train", "score", "reconstruct"};
  static constexpr const char* kSaid =
      "[INFO] device cuda:0 failed: out of device memory; computing on the CPU instead\n";
};

TEST_F(FallbackTest, TrainingGoesOnFromTheStartOnTheCpu) {
  ASSERT_EQ(run_here(train_arguments({"--device", "cuda"})).exit_code, 0);
  const Files by_fake = contents();
  ASSERT_EQ(run_here(train_arguments({"--device", "cpu", "--force"})).exit_code, 0);
  const Files by_cpu = contents();
  ASSERT_NE(by_fake.at("model.h5"), by_cpu.at("model.h5")) << "this test could not fail";
  for (const char* const where : {"engine", "upload", "network", "train", "score", "reconstruct"}) {
    SCOPED_TRACE(where);
    for (const auto& [name, content] : by_cpu) {
      if (name != "images.npy") std::filesystem::remove(folder_ / name);
    }
    const ProgramResult result = run_with(failing(where), train_arguments());
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr(kSaid));
    EXPECT_THAT(result.err, HasSubstr("[INFO] device cpu "));
    EXPECT_EQ(contents(), by_cpu);
  }
}

TEST_F(FallbackTest, SearchingGoesOnOnTheCpu) {
  ASSERT_EQ(run_here(train_arguments({"--device", "cpu"})).exit_code, 0);
  ASSERT_EQ(run_here(find({"--device", "cuda"})).exit_code, 0);
  const Files by_fake = contents();
  const ProgramResult cpu = run_here(find({"--device", "cpu"}));
  const Files by_cpu = contents();
  ASSERT_NE(by_fake.at("all.csv"), by_cpu.at("all.csv")) << "this test could not fail";
  for (const char* const where : {"engine", "upload", "network", "score", "reconstruct"}) {
    SCOPED_TRACE(where);
    std::filesystem::remove(folder_ / "all.csv");
    std::filesystem::remove(folder_ / "outliers.png");
    const ProgramResult result = run_with(failing(where), find({}));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr(kSaid));
    EXPECT_EQ(result.out, cpu.out);
    EXPECT_EQ(contents(), by_cpu);
    const auto json = nlohmann::json::parse(run_with(failing(where), find({"--json"})).out);
    EXPECT_EQ(json["device"]["name"], "cpu");
  }
}

TEST_F(FallbackTest, ADeviceThatWasAskedForIsAnErrorAndWritesNothing) {
  const Files before = contents();
  for (const char* const where : {"engine", "upload", "network", "train", "score", "reconstruct"}) {
    SCOPED_TRACE(where);
    for (const char* const device : {"cuda", "cuda:0"}) {
      const ProgramResult result = run_with(failing(where), train_arguments({"--device", device}));
      expect_error(result, 6, {"out of device memory"});
      EXPECT_THAT(result.err, Not(HasSubstr("device cpu")));
      // Of epochs that were done, and of them alone.
      const bool trained = std::filesystem::remove(folder_ / kCheckpoint);
      EXPECT_EQ(trained, kFailsLate.contains(where));
    }
    EXPECT_EQ(contents(), before);
  }
}

// The devices round differently: neither goes on with what the other did.
TEST_F(FallbackTest, AnEarlierTrainingIsNeverGivenUp) {
  ASSERT_EQ(run_here(train_arguments({"--device", "cuda"})).exit_code, 0);
  const Files whole = contents();
  for (const auto& [name, content] : whole) {
    if (name != "images.npy") std::filesystem::remove(folder_ / name);
  }
  expect_error(run_with(failing("train"), train_arguments({"--device", "cuda"})), 6, {"memory"});
  const std::string kept = bytes(kCheckpoint);
  for (const char* const where : {"engine", "upload", "score"}) {
    SCOPED_TRACE(where);
    write(kCheckpoint, kept);
    expect_error(run_with(failing(where), train_arguments({"--resume"})), 1,
                 {"--device cuda", "--device cpu", "--force"});
    EXPECT_TRUE(std::filesystem::exists(folder_ / kCheckpoint));
  }
  const ProgramResult result = run_here(train_arguments({"--resume"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(contents(), whole);
}

TEST_F(FallbackTest, APrecisionThatWasAskedForIsNotGivenUp) {
  expect_error(run_with(failing("upload"), train_arguments({"--precision", "tf32"})), 6,
               {"out of device memory"});
  const ProgramResult fp32 = run_with(failing("train"), train_arguments({"--precision", "fp32"}));
  EXPECT_EQ(fp32.exit_code, 0) << fp32.err;
  EXPECT_THAT(fp32.err, HasSubstr(kSaid));
}

}  // namespace
}  // namespace oddity::test
