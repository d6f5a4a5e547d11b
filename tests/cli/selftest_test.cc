// oddity selftest on the CPU. What it finds on a CUDA device: tests/plugin and tests/cuda.
#include "cli/cli_fixture.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class SelftestTest : public CliTest {};

TEST_F(SelftestTest, TheCpuPasses) {
  const ProgramResult result = run({"selftest", "--device", "cpu", "--threads", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("28x28x1, filters 32 64, latent 16"), HasSubstr("tolerance"),
                    HasSubstr("  ok\n"), HasSubstr("all within their tolerance\n"),
                    Not(HasSubstr("FAILED")), Not(HasSubstr("nan"))));
  EXPECT_THAT(result.err, MatchesRegex("\\[INFO\\] device cpu \\(2 threads, .*\n"));
  EXPECT_TRUE(files().empty());
}

TEST_F(SelftestTest, Json) {
  const ProgramResult result = run({"selftest", "--device", "cpu", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["passed"], true);
  EXPECT_EQ(json["device"]["name"], "cpu");
  std::set<std::string> operations;
  std::set<std::string> architectures;
  for (const auto& row : json["results"]) {
    EXPECT_EQ(row["passed"], true) << row;
    EXPECT_EQ(row["computed_by"], "cpu");
    EXPECT_LE(row["error"].get<double>(), row["tolerance"].get<double>());
    EXPECT_GT(row["tolerance"].get<double>(), 0);
    EXPECT_GE(row["microseconds"].get<double>(), 0);
    const std::string operation = row["operation"];
    operations.insert(operation.substr(0, operation.find(' ')));
    architectures.insert(row["architecture"]);
  }
  EXPECT_EQ(operations,
            (std::set<std::string>{"encode", "decode", "reconstruct", "score", "gradients"}));
  EXPECT_THAT(architectures, testing::IsSupersetOf({"28x28x1, filters 32 64, latent 16",
                                                    "12x20x3, filters 3 5, latent 7"}));
}

TEST_F(SelftestTest, ADeviceThatIsNotThereIsExitCode6) {
  expect_error(run({"selftest", "--device", "cuda:99"}), 6, {"cuda:99"});
}

TEST_F(SelftestTest, ClosedOutputIsAnError) {
  const ProgramResult result =
      run({"selftest", "--device", "cpu"}, {.output = ProgramOptions::Output::closed});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("[ERROR] cannot write to standard output"));
}

}  // namespace
}  // namespace oddity::test
