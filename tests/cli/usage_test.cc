// The command line itself: help, mistakes in it, and where output goes.
#include "cli/cli_fixture.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class UsageTest : public CliTest {};

TEST_F(UsageTest, AloneItPrintsHelp) {
  const ProgramResult result = run({});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("Usage: oddity COMMAND"), HasSubstr("train"), HasSubstr("find"),
                    HasSubstr("inspect"), HasSubstr("info"), HasSubstr("selftest")));
}

TEST_F(UsageTest, HelpOfACommandShowsDefaultsAndExamples) {
  const ProgramResult train = run({"train", "--help"});
  EXPECT_EQ(train.exit_code, 0);
  EXPECT_THAT(train.out,
              AllOf(HasSubstr("Usage: oddity train --dataset FILE --model FILE [OPTIONS]"),
                    HasSubstr("[recon_vis.png]"), HasSubstr("[32 64]"), HasSubstr("Examples:")));
  const ProgramResult find = run({"find", "-h"});
  EXPECT_EQ(find.exit_code, 0);
  EXPECT_THAT(find.out, AllOf(HasSubstr("--fail-on-outliers"), HasSubstr("[outliers.png]"),
                              HasSubstr("--precision PRECISION")));
  const ProgramResult selftest = run({"selftest", "--help"});
  EXPECT_EQ(selftest.exit_code, 0);
  EXPECT_THAT(selftest.out, AllOf(HasSubstr("--device"), HasSubstr("--precision"),
                                  HasSubstr("--threads"), testing::Not(HasSubstr("--force"))));
}

TEST_F(UsageTest, HelpIsGivenWhateverElseIsWrong) {
  EXPECT_EQ(run({"train", "--help", "--device", "cpu"}).exit_code, 0);
}

TEST_F(UsageTest, Version) {
  const ProgramResult result = run({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, testing::MatchesRegex("oddity [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

struct Mistake {
  std::string name;
  std::vector<std::string> arguments;
  std::vector<std::string> parts;  // of the message
};
void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class MistakeTest : public CliTest, public testing::WithParamInterface<Mistake> {};

TEST_P(MistakeTest, IsExitCode2AndNothingIsDone) {
  write_images();
  expect_error(run(GetParam().arguments), 2, GetParam().parts);
  EXPECT_EQ(files(), std::set<std::string>{"images.npy"});
}

std::vector<Mistake> mistakes() {
  const auto train = [](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"train", "--images", "images.npy", "-d", "set.npz", "-m", "model.h5"});
    return more;
  };
  const auto find = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"find", "-d", "images.npy", "-m", "model.h5"});
    return more;
  };
  return {
      {"MisspeltCommand", {"trian"}, {"'trian'", "did you mean train?"}},
      {"NoSuchCommand", {"frobnicate"}, {"'frobnicate'", "oddity --help"}},
      {"OptionBeforeTheCommand", {"--epochs", "3", "train"}, {"'--epochs'", "before its command"}},
      {"MisspeltOption", {"train", "--epoch", "3"}, {"'--epoch'", "did you mean --epochs?"}},
      {"StrayWord", train({"more"}), {"'more'", "oddity train --help"}},
      {"ControlCharactersAreHarmless", {"tr\x1b[31m\n"}, {"'tr\\x1b[31m\\x0a'"}},
      {"NoModel", {"train", "-d", "set.npz"}, {"--model is required", "oddity train --help"}},
      {"NoFile", {"inspect"}, {"FILE is required"}},
      {"NoValue", train({"--epochs"}), {"--epochs"}},
      {"EmptyName", train({"--plot", ""}), {"--plot", "name a file"}},
      {"GivenTwice", train({"--seed", "1", "--seed", "2"}), {"--seed"}},
      {"ZeroEpochs", train({"--epochs", "0"}), {"--epochs", "'0'", "from 1 to"}},
      {"EpochsNoNumber", train({"--epochs", "ten"}), {"--epochs", "'ten'", "whole number"}},
      {"EpochsOverflow", train({"--epochs", "99999999999999999999"}), {"--epochs", "whole number"}},
      {"BatchSize", train({"--batch-size", "-1"}), {"--batch-size", "'-1'"}},
      {"LearningRateZero", train({"--lr", "0"}), {"--lr", "above 0"}},
      {"LearningRateNan", train({"--lr", "nan"}), {"--lr", "'nan'"}},
      {"LearningRateInfinite", train({"--lr", "inf"}), {"--lr", "'inf'"}},
      {"Contamination", train({"--contam", "1.5"}), {"--contam", "'1.5'", "from 0 to 1"}},
      {"ContaminationNan", train({"--contam", "nan"}), {"--contam", "'nan'"}},
      {"Split", train({"--val-split", "1"}), {"--val-split", "'1'", "excluded"}},
      {"Filters", train({"--filters", "32", "0"}), {"--filters", "'0'"}},
      {"Seed", train({"--seed", "4294967296"}), {"--seed", "'4294967296'", "4294967295"}},
      {"Label", train({"--valid-label", "-1"}), {"--valid-label", "'-1'"}},
      {"SameLabels",
       train({"--valid-label", "3"}),
       {"--valid-label and --anomaly-label are both 3"}},
      {"DrawWithoutLabels", train({"--contam", ".1"}), {"images.npy holds no labels", "--labels"}},
      {"LabelsWithoutImages",
       {"train", "--labels", "images.npy", "-d", "set.npz", "-m", "model.h5"},
       {"--labels images.npy", "--images"}},
      {"Threads", train({"--threads", "0"}), {"--threads", "'0'"}},
      {"Progress", train({"--progress", "fast"}), {"--progress", "fast", "plain"}},
      {"Device", train({"--device", "gpu"}), {"gpu"}},
      {"Precision", train({"--precision", "fp8"}), {"--precision", "fp8", "auto", "fp32", "tf32"}},
      {"PrecisionOfFind", find({"--precision", ""}), {"--precision", "fp32", "tf32"}},
      {"PrecisionOfSelftest", {"selftest", "--precision", "double"}, {"--precision", "double"}},
      {"PrecisionThatTheCpuHasNot",
       train({"--device", "cpu", "--precision", "tf32"}),
       {"tf32", "CPU", "--precision fp32", "--device cuda"}},
      {"SelftestOfNoDevice", {"selftest", "--device", "gpu"}, {"gpu"}},
      {"DatasetSuffix",
       {"train", "--images", "images.npy", "-d", "set.pickle", "-m", "model.h5"},
       {"set.pickle", ".npz"}},
      {"ModelSuffix",
       {"train", "--images", "images.npy", "-d", "set.npz", "-m", "model.keras"},
       {"model.keras", ".h5"}},
      {"VisSuffix", train({"--vis", "vis.jpg"}), {"--vis vis.jpg", ".png"}},
      {"PlotSuffix", train({"--plot", "plot.pdf"}), {"plot.pdf", ".png"}},
      {"OneFileTwice",
       train({"--vis", "x.png", "--plot", "./x.png"}),
       {"--vis and --plot", "x.png"}},
      {"OutputIsInput",
       {"train", "--images", "images.npy", "-d", "images.npy", "-m", "model.h5", "--force"},
       {"--dataset would replace --images images.npy"}},
      {"SizeThatCannotWork", train({"--filters", "4", "8", "16"}), {"6", "8"}},
      {"Quantile", find({"-q", "1.01"}), {"--quantile", "'1.01'", "from 0 to 1"}},
      {"QuantileNan", find({"-q", "nan"}), {"--quantile", "'nan'"}},
      {"ThresholdNan", find({"--threshold", "nan"}), {"--threshold", "'nan'"}},
      {"QuantileAndThreshold",
       find({"-q", ".9", "--threshold", ".1"}),
       {"--threshold 0.1", "--quantile 0.9", "give one"}},
      {"AlwaysTrips",
       find({"-q", ".9", "--fail-on-outliers"}),
       {"--fail-on-outliers", "--quantile 0.9", "--threshold"}},
      {"ScoreSuffix", find({"--scores", "scores.txt"}), {"scores.txt", ".csv"}},
      {"MontageSuffix", find({"--montage", "outliers.jpg"}), {"--montage outliers.jpg", ".png"}},
  };
}

INSTANTIATE_TEST_SUITE_P(, MistakeTest, testing::ValuesIn(mistakes()),
                         [](const auto& mistake) { return mistake.param.name; });

TEST_F(UsageTest, ADeviceThatIsNotThereIsExitCode6) {
  write_images();
  expect_error(run(train_arguments({"--device", "cuda:99"})), 6, {"cuda"});
  EXPECT_EQ(files(), std::set<std::string>{"images.npy"});
}

TEST_F(UsageTest, ThePrecisionOfEveryDeviceChangesNothingOnTheCpu) {
  write_images();
  ASSERT_EQ(run(train_arguments({"--device", "cpu"})).exit_code, 0);
  const std::string model = bytes("model.h5");
  const ProgramResult result =
      run(train_arguments({"--device", "cpu", "--precision", "fp32", "--force"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(bytes("model.h5"), model);
}

TEST_F(UsageTest, ClosedOutputIsAnError) {
  for (const auto output : {ProgramOptions::Output::closed, ProgramOptions::Output::full}) {
    const ProgramResult result = run({"info"}, {.output = output});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, StartsWith("[ERROR] cannot write to standard output"));
  }
}

TEST_F(UsageTest, InfoSaysWhatItRunsOn) {
  const ProgramResult result = run({"info"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, AllOf(StartsWith("oddity "), HasSubstr("HDF5 "), HasSubstr("device")));
}

TEST_F(UsageTest, InfoAsJson) {
  const ProgramResult result = run({"info", "--json"});
  EXPECT_EQ(result.exit_code, 0);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_TRUE(json["libraries"].contains("zlib"));
  EXPECT_GE(json["cpu"]["available_threads"].get<int>(), 1);
  ASSERT_EQ(json["devices"].size(), 2u);
  EXPECT_EQ(json["devices"][0]["name"], "cpu");
  if (!json["devices"][1]["available"].get<bool>()) {
    EXPECT_NE(json["devices"][1]["why"], "");
  }
}

}  // namespace
}  // namespace oddity::test
