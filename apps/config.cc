#include "config.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "files/atomic_file.h"
#include "nearest.h"
#include "toml.h"

namespace oddity {
namespace {

constexpr size_t kMaxConfigBytes = 1 << 20;

/// What may be set from outside: options with a long name, but not --help and the like.
bool is_setting(const CLI::Option& option) {
  return option.nonpositional() && !option.get_lnames().empty() && option.get_configurable();
}

std::string variable_of(const CLI::Option& option) {
  std::string name = "ODDITY_" + option.get_lnames().front();
  for (char& c : name) {
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

CLI::Option* find_setting(CLI::App& command, const std::string& key) {
  CLI::Option* const option = command.get_option_no_throw("--" + key);
  return option != nullptr && is_setting(*option) ? option : nullptr;
}

bool has_config(CLI::App& command) { return command.get_option_no_throw("--config") != nullptr; }

std::vector<CLI::App*> commands(CLI::App& program) {
  return program.get_subcommands([](CLI::App* command) { return has_config(*command); });
}

[[noreturn]] void throw_unknown(const TomlEntry& entry, const std::vector<CLI::App*>& where,
                                std::string_view file) {
  std::vector<std::string> known;
  for (CLI::App* const command : where) {
    for (const CLI::Option* option : command->get_options()) {
      if (is_setting(*option)) known.push_back(option->get_lnames().front());
    }
  }
  const std::string meant = nearest(entry.key, known);
  throw ArgumentError(
      "{}:{}: unknown key '{}'{}: keys are the long names of the options, see oddity {} --help",
      file, entry.line, printable(entry.key),
      meant.empty() ? "" : fmt::format(", did you mean '{}'?", meant), where.front()->get_name());
}

void apply(CLI::Option& option, const TomlEntry& entry, std::string_view file) {
  if (entry.values.empty()) {
    throw ArgumentError("{}:{}: {} is an empty array: give it a value", file, entry.line,
                        entry.key);
  }
  if (option.count() > 0) return;  // a flag or the environment has said it
  try {
    option.add_result(entry.values);
    option.run_callback();
  } catch (const CLI::Error& error) {
    throw ArgumentError("{}:{}: {}", file, entry.line, error.what());
  }
}

void apply_file(CLI::App& command, const std::string& path) {
  const std::string file = printable(path);
  std::vector<TomlEntry> entries;
  try {
    entries = parse_toml(read_file(path, kMaxConfigBytes), file);
  } catch (const Error& error) {
    throw ArgumentError("--config: {}", error.what());
  }
  const std::vector<CLI::App*> all = commands(*command.get_parent());
  // What stands in the command's own table wins over what is meant for all.
  std::stable_sort(entries.begin(), entries.end(), [](const TomlEntry& a, const TomlEntry& b) {
    return !a.table.empty() && b.table.empty();
  });
  for (const TomlEntry& entry : entries) {
    std::vector<CLI::App*> meant = all;
    if (!entry.table.empty()) {
      std::erase_if(meant, [&](CLI::App* one) { return one->get_name() != entry.table; });
      if (meant.empty()) {
        throw ArgumentError(
            "{}:{}: unknown table [{}]: tables are named after the commands train and find", file,
            entry.line, printable(entry.table));
      }
    }
    const auto knows = [&](CLI::App* one) { return find_setting(*one, entry.key) != nullptr; };
    if (std::none_of(meant.begin(), meant.end(), knows)) throw_unknown(entry, meant, file);
    if (std::find(meant.begin(), meant.end(), &command) == meant.end()) continue;
    if (CLI::Option* const option = find_setting(command, entry.key)) apply(*option, entry, file);
  }
}

}  // namespace

void add_config(CLI::App& command, std::string& path) {
  const auto read = [&command, &path](const std::string& file) {
    path = file;
    apply_file(command, file);
  };
  // The order in which options are given does not matter: this runs after all flags and variables.
  command.add_option_function<std::string>("--config", read, "Read options from a TOML file")
      ->type_name("FILE")
      ->group("Common");
  for (CLI::Option* const option : command.get_options()) {
    if (is_setting(*option)) option->envname(variable_of(*option));
  }
  command.get_option("--config")->configurable(false);
}

}  // namespace oddity
