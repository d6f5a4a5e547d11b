// Why CUDA is or is not available, for every way in which the plugin can be missing or wrong.
#include <dlfcn.h>

#include "plugin/plugin_fixture.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

bool machine_has_a_driver() { return ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) != nullptr; }

/// Long enough that the loader looks at it.
const std::string kNoLibrary(4096, 'x');

TEST_F(PluginTest, WithoutAPluginTheBuildHasNoEngine) {
  EXPECT_EQ(why_not(), "this build has no CUDA engine");
  place_driver();
  EXPECT_EQ(why_not(), "this build has no CUDA engine");
}

TEST_F(PluginTest, WithoutADriverThePluginIsNotOpened) {
  if (machine_has_a_driver()) GTEST_SKIP() << "this machine has a driver";
  place_plugin(ODDITY_NO_ENTRY_PLUGIN);  // which would be complained about
  EXPECT_EQ(why_not(), "no NVIDIA driver found");
}

TEST_F(PluginTest, ADriverThatCannotBeOpenedSaysWhy) {
  place_plugin(ODDITY_FAKE_PLUGIN);
  std::filesystem::create_directory(folder_ / "driver");
  write("driver/libcuda.so.1", kNoLibrary);
  EXPECT_THAT(why_not(), AllOf(HasSubstr("the NVIDIA driver cannot be opened"),
                               HasSubstr("libcuda.so.1"), HasSubstr("ELF")));
}

TEST_F(PluginTest, APluginThatCannotBeOpenedSaysWhy) {
  place_driver();
  std::filesystem::create_directory(folder_ / "lib");
  write("lib/liboddity_cuda.so", kNoLibrary);
  EXPECT_THAT(why_not(), AllOf(HasSubstr("the CUDA engine cannot be opened"),
                               HasSubstr("liboddity_cuda.so"), HasSubstr("ELF")));
}

TEST_F(PluginTest, ALibraryThatIsNoPlugin) {
  place_driver();
  place_plugin(ODDITY_NO_ENTRY_PLUGIN);
  EXPECT_THAT(why_not(),
              AllOf(HasSubstr("liboddity_cuda.so"), HasSubstr("has no oddity_cuda_plugin")));
}

TEST_F(PluginTest, APluginOfAnotherVersionIsNotUsed) {
  place_driver();
  place_plugin(ODDITY_OTHER_VERSION_PLUGIN);
  EXPECT_EQ(why_not(),
            "the CUDA engine is of version 0.0.1, the program of " + std::string(ODDITY_VERSION));
}

TEST_F(PluginTest, ADeviceThatCannotBeUsedSaysWhyAndTheCpuComputes) {
  place_fake();
  write_images();
  const std::map<std::string, std::string> old = {{"FAKE_CUDA_REFUSES", "it is too old"}};
  const ProgramResult info = run_with(old, {"info"});
  EXPECT_THAT(info.out, HasSubstr("cuda not available: it is too old\n"));
  const ProgramResult by_itself = run_with(old, train_arguments());
  EXPECT_EQ(by_itself.exit_code, 0) << by_itself.err;
  EXPECT_THAT(by_itself.err, AllOf(HasSubstr("device cpu "), HasSubstr("cuda: it is too old\n")));
  for (const char* const device : {"cuda", "cuda:0", "cuda:7"}) {
    expect_error(run_with(old, train_arguments({"--force", "--device", device})), 6,
                 {"device cuda:", "it is too old", "--device cpu or auto"});
  }
}

TEST_F(PluginTest, BesideTheProgramThePluginIsFoundToo) {
  place_driver();
  place_plugin(ODDITY_FAKE_PLUGIN, "bin");
  EXPECT_THAT(run_here({"info"}).out, HasSubstr("cuda:0 (a fake, fp32)"));
}

TEST_F(PluginTest, InfoListsDevicesAndLibraries) {
  place_fake();
  const ProgramResult text = run_here({"info"});
  EXPECT_THAT(text.out, AllOf(HasSubstr("cuda         fake runtime 1.2, cuDNN not found\n"),
                              HasSubstr("device       cuda:0 (a fake, fp32)\n"),
                              Not(HasSubstr("not available"))));
  const auto json = nlohmann::json::parse(run_here({"info", "--json"}).out);
  EXPECT_EQ(json["cuda"], "fake runtime 1.2, cuDNN not found");
  ASSERT_EQ(json["devices"].size(), 2u);
  EXPECT_EQ(json["devices"][1]["name"], "cuda:0");
  EXPECT_EQ(json["devices"][1]["available"], true);
  EXPECT_EQ(json["devices"][1]["details"], "a fake, fp32");
}

TEST_F(PluginTest, InfoOfADeviceThatFailsSaysWhy) {
  place_fake();
  const ProgramResult info = run_with({{"FAKE_CUDA_FAILS_AT", "engine"}}, {"info"});
  EXPECT_EQ(info.exit_code, 0);
  EXPECT_THAT(info.out, HasSubstr("cuda:0 not available: out of device memory\n"));
}

TEST_F(PluginTest, AutoTakesTheDevice) {
  place_fake();
  write_images();
  const ProgramResult result = run_here(train_arguments());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("device cuda:0 (a fake, fp32)\n"));
}

TEST_F(PluginTest, ADeviceBeyondTheLastIsExitCode6) {
  place_fake();
  write_images();
  expect_error(run_here(train_arguments({"--device", "cuda:1"})), 6,
               {"cuda:1", "there is one device, cuda:0"});
}

TEST_F(PluginTest, ThePrecisionReachesTheEngine) {
  place_fake();
  write_images();
  for (const std::string precision : {"fp32", "tf32"}) {
    for (const char* const device : {"auto", "cuda"}) {
      const ProgramResult result =
          run_here(train_arguments({"--force", "--device", device, "--precision", precision}));
      EXPECT_EQ(result.exit_code, 0) << result.err;
      EXPECT_THAT(result.err, HasSubstr("device cuda:0 (a fake, " + precision + ")"));
    }
  }
  expect_error(run_here(train_arguments({"--force", "--device", "cpu", "--precision", "tf32"})), 2,
               {"tf32", "fp32"});
}

TEST_F(PluginTest, APrecisionThatNeedsCudaSaysWhyItIsNotThere) {
  write_images();
  expect_error(run_here(train_arguments({"--precision", "tf32"})), 6,
               {"tf32", "this build has no CUDA engine", "use fp32"});
  place_fake();
  expect_error(
      run_with({{"FAKE_CUDA_REFUSES", "it is too old"}}, train_arguments({"--precision", "tf32"})),
      6, {"tf32", "it is too old", "use fp32"});
}

TEST_F(PluginTest, SelftestRunsTheDevicesOwnOperationsAndFindsWrongOnes) {
  place_fake();
  const ProgramResult fake = run_here({"selftest"});
  EXPECT_EQ(fake.exit_code, 1) << fake.err;
  EXPECT_THAT(fake.out, AllOf(HasSubstr("an operation of the device"), HasSubstr("FAILED\n"),
                              HasSubstr(" operations FAILED\n")));
  // Scores are a tenth too high; the rest is the CPU's.
  const auto json = nlohmann::json::parse(run_here({"selftest", "--json"}).out);
  EXPECT_EQ(json["passed"], false);
  EXPECT_EQ(json["device"]["name"], "cuda:0");
  for (const auto& row : json["results"]) {
    const std::string operation = row["operation"];
    EXPECT_EQ(row["passed"], !operation.starts_with("score")) << row;
  }
  EXPECT_EQ(run_here({"selftest", "--device", "cpu"}).exit_code, 0);
}

TEST_F(PluginTest, SelftestOfADeviceThatFailsDoesNotMoveToTheCpu) {
  place_fake();
  for (const char* const where : {"engine", "upload", "network", "train", "score"}) {
    const ProgramResult result = run_with({{"FAKE_CUDA_FAILS_AT", where}}, {"selftest", "--json"});
    SCOPED_TRACE(where);
    expect_error(result, 6, {"out of device memory"});
  }
}

}  // namespace
}  // namespace oddity::test
