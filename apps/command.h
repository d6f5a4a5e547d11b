// A subcommand of the program.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "console.h"
#include "exit_code.h"

namespace oddity {

/// Made before the command line is read, with its options added to the program; run() after it.
class Command {
 public:
  virtual ~Command() = default;
  virtual ExitCode run(const Console& console) = 0;

  CLI::App& app() const { return *app_; }

 protected:
  Command(CLI::App& program, const std::string& name, const std::string& description);

 private:
  CLI::App* app_;
};

std::unique_ptr<Command> make_train(CLI::App& program);
std::unique_ptr<Command> make_find(CLI::App& program);
std::unique_ptr<Command> make_score(CLI::App& program);
std::unique_ptr<Command> make_evaluate(CLI::App& program);
std::unique_ptr<Command> make_compare(CLI::App& program);
std::unique_ptr<Command> make_bench(CLI::App& program);
std::unique_ptr<Command> make_export(CLI::App& program);
std::unique_ptr<Command> make_inspect(CLI::App& program);
std::unique_ptr<Command> make_info(CLI::App& program);
std::unique_ptr<Command> make_selftest(CLI::App& program);

}  // namespace oddity
