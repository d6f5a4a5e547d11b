// --config and ODDITY_<OPTION>: flag over environment over file over default.
#include "cli/cli_fixture.h"
#include "files/model_file.h"

namespace oddity::test {
namespace {

using testing::HasSubstr;

class ConfigTest : public CliTest {
 protected:
  ConfigTest() { write_images(); }

  /// What `oddity train --config run.toml` trained, under these flags and variables.
  ModelFile train(const std::string& toml, const Arguments& flags = {},
                  const std::map<std::string, std::string>& variables = {}) const {
    write("run.toml", toml);
    Arguments all = {"train", "--config", "run.toml", "-d",          "set.npz",
                     "-m",    "model.h5", "--force",  "--val-split", ".5"};
    all.insert(all.end(), flags.begin(), flags.end());
    const ProgramResult result = run(all, {.variables = variables});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return read_model(folder_ / "model.h5");
  }
  static size_t epochs(const ModelFile& model) { return model.record->loss.size(); }

  const std::string base_ = "images = \"images.npy\"\nfilters = [4]\n";
};

TEST_F(ConfigTest, FlagOverEnvironmentOverFileOverDefault) {
  const std::string file = base_ + "epochs = 2\n";
  EXPECT_EQ(epochs(train(base_)), 20u);
  EXPECT_EQ(epochs(train(file)), 2u);
  EXPECT_EQ(epochs(train(file, {}, {{"ODDITY_EPOCHS", "3"}})), 3u);
  EXPECT_EQ(epochs(train(file, {"--epochs", "4"}, {{"ODDITY_EPOCHS", "3"}})), 4u);
}

TEST_F(ConfigTest, TheFileItselfMayComeFromTheEnvironment) {
  write("run.toml", base_ + "epochs = 2\ndataset = 'set.npz'\nmodel = 'model.h5'\n");
  const ProgramResult result = run({"train"}, {.variables = {{"ODDITY_CONFIG", "run.toml"}}});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(epochs(read_model(folder_ / "model.h5")), 2u);
}

TEST_F(ConfigTest, TablesAreForOneCommandEach) {
  const std::string file = base_ +
                           "epochs = 2  # for all\n"
                           "\n"
                           "[train]\n"
                           "latent-dim = 5\n"
                           "epochs = 1\n"
                           "[find]\n"
                           "quantile = 0.5\n";
  const ModelFile model = train(file);
  EXPECT_EQ(epochs(model), 1u);
  EXPECT_EQ(model.architecture.latent_dim, 5);
  const ProgramResult found =
      run({"find", "-d", "set.npz", "-m", "model.h5", "--config", "run.toml"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("30 outliers found"));
}

TEST_F(ConfigTest, EverythingTomlNeedsHere) {
  write_images("images.npy", 20, {8, 8, 1});  // halved twice
  const ModelFile model = train(
      "\xef\xbb\xbf# written by an editor that begins files with a mark\r\n"
      "images = 'images.npy'\r\n"
      "\"epochs\" = +1 # one\n"
      "filters = [\n  4, # the first\n  4,\n]\n"
      "vis = \"a#b \\\"c\\\".png\"\n"
      "seed=7\n"
      "force = true\n"
      "lr = 1e-2");
  EXPECT_EQ(epochs(model), 1u);
  EXPECT_EQ(model.architecture.filters, (std::vector<int64_t>{4, 4}));
  EXPECT_EQ(model.record->seed, 7u);
  EXPECT_EQ(files().count("a#b \"c\".png"), 1u);
}

TEST_F(ConfigTest, MistakesAreNamedWithTheirLine) {
  const std::pair<std::string, std::vector<std::string>> mistakes[] = {
      {"\nepoch = 3\n", {"run.toml:2", "unknown key 'epoch'", "did you mean 'epochs'?"}},
      {"[find]\nepochs = 3\n", {"run.toml:2", "unknown key 'epochs'"}},
      {"[training]\nepochs = 3\n", {"run.toml:2", "[training]", "train"}},
      {"config = 'other.toml'\n", {"run.toml:1", "unknown key 'config'"}},
      {"help = true\n", {"run.toml:1", "unknown key 'help'"}},
      {"epochs = 0\n", {"run.toml:1", "--epochs", "'0'"}},
      {"epochs = [1, 2]\n", {"run.toml:1", "--epochs"}},
      {"filters = []\n", {"run.toml:1", "filters", "empty"}},
      {"epochs\n", {"run.toml:1", "epochs = 20"}},
      {"epochs =\n", {"run.toml:1"}},
      {"epochs = 1 2\n", {"run.toml:1", "'2'"}},
      {"epochs = 1\nepochs = 2\n", {"run.toml:2", "'epochs'"}},
      {"epochs = 2026-01-01\n", {"run.toml:1", "epochs", "number"}},
      {"device = cpu\n", {"run.toml:1", "device = \"cpu\""}},
      {"device = \"cpu\n", {"run.toml:1"}},
      {"device = \"\\q\"\n", {"run.toml:1", "escape"}},
      {"[train\n", {"run.toml:1"}},
      {"[train.more]\nepochs = 2\n", {"run.toml:1", "more"}},
      {"[[train]]\nepochs = 2\n", {"run.toml:1", "train"}},
      {"filters = [4\n", {"run.toml:"}},
      {"= 3\n", {"run.toml:1"}},
      {"\xff\xfe", {"run.toml:1"}},
  };
  for (const auto& [toml, parts] : mistakes) {
    SCOPED_TRACE(toml);
    write("run.toml", toml);
    expect_error(run({"train", "--images", "images.npy", "-d", "set.npz", "-m", "model.h5",
                      "--config", "run.toml"}),
                 2, parts);
    EXPECT_EQ(files(), (std::set<std::string>{"images.npy", "run.toml"}));
  }
}

TEST_F(ConfigTest, FilesThatCannotBeRead) {
  expect_error(run(train_arguments({"--config", "missing.toml"})), 2, {"--config", "missing.toml"});
  expect_error(run(train_arguments({"--config", "."})), 2, {"--config", "folder"});
}

TEST_F(ConfigTest, TheFileIsNotReplacedByAnOutput) {
  write("run.toml", "epochs = 2\n");
  expect_error(run(train_arguments({"--config", "run.toml", "--history", "run.toml"})), 2,
               {"--history would replace --config run.toml"});
}

TEST_F(ConfigTest, ABadVariableIsNamed) {
  expect_error(run(train_arguments(),
                   {.variables = {{"ODDITY_LATENT_DIM", "3"}, {"ODDITY_BATCH_SIZE", "many"}}}),
               2, {"--batch-size", "'many'"});
  // Variables of other commands do not matter.
  EXPECT_EQ(run({"info"}, {.variables = {{"ODDITY_BATCH_SIZE", "many"}}}).exit_code, 0);
}

}  // namespace
}  // namespace oddity::test
