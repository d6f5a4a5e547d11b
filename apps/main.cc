// oddity: finds the images that do not belong.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "command.h"
#include "console.h"
#include "core/error.h"
#include "core/text.h"
#include "exit_code.h"
#include "interrupt.h"
#include "nearest.h"
#include "options.h"
#include "reporters.h"

namespace oddity {
namespace {

using Commands = std::vector<std::unique_ptr<Command>>;

/// A misspelt word is what is wrong first: what it leaves missing is only a consequence.
std::string describe_extra(const CLI::App& program, const Commands& commands) {
  for (const auto& command : commands) {
    if (!command->app().parsed() || command->app().remaining().empty()) continue;
    const std::string extra = command->app().remaining().front();
    std::vector<std::string> known;
    for (const CLI::Option* option : command->app().get_options()) {
      if (!option->get_lnames().empty()) known.push_back("--" + option->get_lnames().front());
    }
    const std::string meant = extra.starts_with("--") ? nearest(extra, known) : "";
    return fmt::format(
        "{} knows no '{}'{}: see oddity {} --help", command->app().get_name(), printable(extra),
        meant.empty() ? "" : fmt::format(", did you mean {}?", meant), command->app().get_name());
  }
  if (program.remaining().empty()) return {};
  const std::string extra = program.remaining().front();
  if (extra.starts_with('-')) {
    return fmt::format("oddity knows no '{}' before its command: see oddity --help",
                       printable(extra));
  }
  std::vector<std::string> known;
  for (const auto& command : commands) known.push_back(command->app().get_name());
  const std::string meant = nearest(extra, known);
  return fmt::format("there is no command '{}'{}: see oddity --help", printable(extra),
                     meant.empty() ? "" : fmt::format(", did you mean {}?", meant));
}

ExitCode run(int argc, char** argv, const Console& console) {
  CLI::App program("Oddity finds the images that do not belong.");
  program.name("oddity");
  program.formatter(help_formatter());
  program.set_version_flag("--version", std::string("oddity ") + ODDITY_VERSION,
                           "Print the version and exit");
  program.require_subcommand(0, 1);
  program.footer("oddity COMMAND --help tells more of a command, with examples.");
  Commands commands;
  commands.push_back(make_train(program));
  commands.push_back(make_find(program));
  commands.push_back(make_score(program));
  commands.push_back(make_evaluate(program));
  commands.push_back(make_compare(program));
  commands.push_back(make_export(program));
  commands.push_back(make_inspect(program));
  commands.push_back(make_info(program));
  commands.push_back(make_selftest(program));
  commands.push_back(make_bench(program));

  const auto help = [&](const CLI::App& app) {
    std::string text = app.help();
    if (text.ends_with('\n')) text.pop_back();
    console.result(text);
  };
  try {
    program.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto asked = program.get_subcommands();
    help(asked.empty() ? program : *asked.front());
    return kSuccess;
  } catch (const CLI::CallForVersion& version) {
    console.result(version.what());
    return kSuccess;
  } catch (const CLI::ParseError& error) {
    const std::string extra = describe_extra(program, commands);
    if (!extra.empty()) throw ArgumentError("{}", extra);
    const auto given = program.get_subcommands();
    if (!given.empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
      const std::string name = given.front()->get_name();
      throw ArgumentError("{}: {}: see oddity {} --help", name, error.what(), name);
    }
    throw ArgumentError("{}", printable(std::string_view(error.what())));
  }
  for (const auto& command : commands) {
    if (command->app().parsed()) return command->run(console);
  }
  help(program);
  return kSuccess;
}

/// Runs the program and turns errors into a line each and an exit code.
ExitCode run_and_report(int argc, char** argv, const Console& console) {
  try {
    return run(argc, argv, console);
  } catch (const Interrupted& error) {
    console.error(error.what());
    return kInterrupted;
  } catch (const TooManyBadImages& error) {
    console.error(error.what());
    return kTooManyBad;
  } catch (const ArgumentError& error) {
    console.error(error.what());
    return kUsage;
  } catch (const DeviceError& error) {
    console.error(error.what());
    return kNoDevice;
  } catch (const std::bad_alloc&) {
    console.error("not enough memory: use a smaller data set, network or batch");
    return kFailure;
  } catch (const std::exception& error) {
    console.error(printable(std::string_view(error.what())));
    return kFailure;
  }
}

}  // namespace
}  // namespace oddity

int main(int argc, char** argv) {
  oddity::prepare_standard_streams();
  oddity::catch_interrupts();
  return oddity::run_and_report(argc, argv, oddity::Console());
}
