// oddity bench --plan, which asks a plugin for its launches, driver or not.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "plugin/plugin_fixture.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class BenchPlanTest : public PluginTest {
 protected:
  BenchPlanTest() { place_plugin(ODDITY_FAKE_PLUGIN); }  // and no driver
};

TEST_F(BenchPlanTest, NeedsNeitherModelNorImagesNorDriver) {
  const ProgramResult result = run_here({"bench", "--plan"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(
      result.out,
      AllOf(HasSubstr("network: 28x28x1, filters 32 64, latent 16; 32 images a step\n"),
            HasSubstr("fake.cu:1"), HasSubstr("32x2"), HasSubstr("1,000,000"),
            HasSubstr("2 nodes, 2 on the longest chain"), HasSubstr("4 steps a graph, launched"),
            HasSubstr("scoring in fp16, large: one kernel, fake.cu:3"),
            HasSubstr("788 bytes of device memory"), HasSubstr("elementwise work is not counted"),
            HasSubstr("ESTIMATE, never measured, for GeForce RTX 4090"),
            HasSubstr("longest of 2 us (assumed)"), HasSubstr("fits into 72 MiB of L2")));
}

TEST_F(BenchPlanTest, TheCardAndTheBatchAreAskedFor) {
  const ProgramResult result =
      run_here({"bench", "--plan", "--card", "h100", "--batch-size", "7", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  const auto& step = json["training_step"];
  EXPECT_EQ(step["images"], 7);
  EXPECT_EQ(step["nodes"][0]["grid"], (std::vector<int>{7, 2, 1}));
  EXPECT_EQ(step["nodes"][1]["after"], std::vector<int>{0});
  EXPECT_EQ(json["steps_a_graph"], 4);
  EXPECT_EQ(step["bytes_read"], 1000000);
  EXPECT_EQ(step["flop"], 3000000);
  EXPECT_EQ(json["scorers"][0]["launch"]["grid"][0], 132);  // multiprocessors of an H100
  EXPECT_TRUE(json["scores"].is_null());
  EXPECT_EQ(json["estimate"]["card"], "h100");
  EXPECT_EQ(json["estimate"]["measured"], false);
}

TEST_F(BenchPlanTest, OfAModelItIsThatOfItsNetwork) {
  write_images();
  ASSERT_EQ(run_here(train_arguments({"--device", "cpu"})).exit_code, 0);
  const ProgramResult result = run_here({"bench", "--plan", "--model", "model.h5", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["training_step"]["nodes"][1]["grid"][0], 3);
  // No kernel scores it by itself.
  EXPECT_TRUE(json["scorers"].empty());
  EXPECT_EQ(json["scores"]["images"], 500);
  EXPECT_EQ(json["scores"]["nodes"].size(), 2u);
  EXPECT_GT(json["estimate"]["images_per_second_at_most"], 0);
  const ProgramResult text = run_here({"bench", "--plan", "--model", "model.h5"});
  EXPECT_THAT(text.out,
              AllOf(HasSubstr("scoring: not in one kernel (fakes in two kernels)\n"),
                    HasSubstr("scores of 500 images"), HasSubstr("  scoring that many takes")));
}

TEST_F(BenchPlanTest, WhatItCannotDoIsSaid) {
  expect_error(run_here({"bench", "--plan", "--card", "voodoo"}), 2,
               {"'voodoo'", "rtx-4090", "h100", "t4"});
  expect_error(run_here({"bench", "--plan", "--images", "images.npy"}), 2, {"--plan", "--images"});
  expect_error(run_here({"bench", "--plan", "--batch-size", "0"}), 2, {"--batch-size"});
  expect_error(run_here({"bench", "--plan", "--model", "none.h5"}), 1, {"none.h5"});
  expect_error(run_here({"bench"}), 2, {"--model"});
}

TEST_F(BenchPlanTest, WithoutThePluginItSaysWhy) {
  std::filesystem::remove_all(folder_ / "lib");
  expect_error(run_here({"bench", "--plan"}), 6, {"this build has no CUDA engine"});
}

}  // namespace
}  // namespace oddity::test
