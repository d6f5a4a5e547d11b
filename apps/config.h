// Settings from the environment and from a file: flag over environment over file over default.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace oddity {

/// Gives every option of `command` its environment variable, ODDITY_ and its long name
/// (ODDITY_BATCH_SIZE), and adds --config, which sets what neither flags nor environment do. To be
/// called after the command has all its options. Keys of the file are their long names; those above
/// the first table are for all commands, those in [train] for train alone. A key that no command
/// knows is an error. `path` receives the file's name.
void add_config(CLI::App& command, std::string& path);

}  // namespace oddity
