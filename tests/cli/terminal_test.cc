// Progress: a bar on a terminal, lines elsewhere, colours only where they are wanted.
#include "cli/cli_fixture.h"

namespace oddity::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class TerminalTest : public CliTest {
 protected:
  TerminalTest() { write_images(); }

  std::string train(const ProgramOptions& options, const Arguments& more = {}) const {
    Arguments arguments = train_arguments(more);
    arguments.push_back("--force");
    const ProgramResult result = run(arguments, options);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.err;
  }

  /// What stood on the screen's lines at any time: text between line ends and returns.
  static std::vector<std::string> drawn(const std::string& text) {
    std::vector<std::string> lines(1);
    for (const char c : text) {
      if (c == '\n' || c == '\r') {
        lines.emplace_back();
      } else {
        lines.back() += c;
      }
    }
    return lines;
  }
};

const char* const kKerasLine =
    "48/48 \\[=+\\] - [0-9]+s [0-9]+[um]?s/sample - loss: 0\\.[0-9]{4} - val_loss: 0\\.[0-9]{4}";

TEST_F(TerminalTest, ABarOnATerminal) {
  const std::string screen = train({.terminal_columns = 120});
  EXPECT_THAT(screen, HasSubstr("Epoch 2/2"));
  EXPECT_THAT(screen, ContainsRegex(kKerasLine));
  EXPECT_THAT(screen, HasSubstr("[==============================]"));  // Keras' 30
  EXPECT_THAT(screen, ContainsRegex("32/48 \\[=+>\\.+\\] - ETA: "));
}

TEST_F(TerminalTest, TheBarFitsNarrowTerminals) {
  for (const uint16_t columns : std::vector<uint16_t>{90, 75, 40, 20, 2}) {
    const std::string screen = train({.terminal_columns = columns}, {"--progress", "bar"});
    size_t bars = 0;
    for (const std::string& line : drawn(screen)) {
      if (!line.starts_with("48/48") && !line.starts_with("32/48")) continue;
      ++bars;
      EXPECT_LT(line.size(), columns) << line;
    }
    if (columns > 5) {
      EXPECT_GE(bars, 2u) << columns;
    }
  }
}

TEST_F(TerminalTest, PlainLinesElsewhere) {
  const std::string lines = train({});
  EXPECT_THAT(lines, Not(HasSubstr("\r")));
  EXPECT_THAT(lines, ContainsRegex("\n48/48 - [0-9]+s - loss: 0\\."));
}

TEST_F(TerminalTest, StylesMayBeAskedFor) {
  EXPECT_THAT(train({}, {"--progress", "bar"}), ContainsRegex(kKerasLine));
  EXPECT_THAT(train({.terminal_columns = 100}, {"--progress", "plain"}),
              ContainsRegex("48/48 - [0-9]+s - loss: 0\\."));
  EXPECT_THAT(train({.terminal_columns = 100}, {"--progress", "none"}),
              Not(ContainsRegex("Epoch|48/48|Train on")));
}

TEST_F(TerminalTest, ColoursOnlyWhereTheyAreWanted) {
  const char* const colour = "\x1b[";
  EXPECT_THAT(train({.terminal_columns = 100}), HasSubstr(colour));
  EXPECT_THAT(train({.variables = {{"NO_COLOR", "1"}}, .terminal_columns = 100}),
              Not(HasSubstr(colour)));
  EXPECT_THAT(train({.variables = {{"TERM", "dumb"}}, .terminal_columns = 100}),
              Not(HasSubstr(colour)));
  EXPECT_THAT(train({}), Not(HasSubstr(colour)));
}

TEST_F(TerminalTest, CtrlCDuringTheBarStartsANewLine) {
  Program program(train_arguments({}, /*epochs=*/1000000),
                  {.folder = folder_.path(), .terminal_columns = 100});
  ASSERT_TRUE(program.wait_for_error_text("Epoch 2/"));
  program.interrupt();
  const ProgramResult result = program.finish();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.err, HasSubstr("\n\x1b[31m[ERROR]\x1b[0m interrupted: epoch "));
  EXPECT_THAT(result.err, HasSubstr(" is safe in model.h5.ckpt"));
  EXPECT_EQ(files(), (std::set<std::string>{"images.npy", "model.h5.ckpt"}));
}

}  // namespace
}  // namespace oddity::test
