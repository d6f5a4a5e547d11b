#include "command.h"

#include "options.h"

namespace oddity {

Command::Command(CLI::App& program, const std::string& name, const std::string& description)
    : app_(program.add_subcommand(name, description)) {
  app_->formatter(help_formatter());
  app_->group("Commands");
  // Variables and files are read for the command that was given, not for its sisters: with this
  // callback, which has nothing to do, CLI11 finishes each command by itself.
  app_->parse_complete_callback([] {});
}

}  // namespace oddity
