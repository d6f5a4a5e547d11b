#include "toml.h"

#include <toml++/toml.h>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

std::string text_of(const toml::node& value, const TomlEntry& entry, std::string_view name) {
  if (const auto* text = value.as_string()) return text->get();
  if (const auto* number = value.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = value.as_floating_point()) return shortest(number->get());
  if (const auto* boolean = value.as_boolean()) return boolean->get() ? "true" : "false";
  throw Error("{}:{}: {} is neither text, a number, true nor false", name, entry.line,
              printable(entry.key));
}

TomlEntry entry_of(std::string table, const toml::key& key, const toml::node& node,
                   std::string_view name) {
  TomlEntry entry{
      std::move(table), std::string(key.str()), {}, static_cast<int>(key.source().begin.line)};
  if (const toml::array* array = node.as_array()) {
    for (const toml::node& value : *array) entry.values.push_back(text_of(value, entry, name));
  } else {
    entry.values.push_back(text_of(node, entry, name));
  }
  return entry;
}

}  // namespace

std::vector<TomlEntry> parse_toml(std::string_view text, std::string_view name) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw Error("{}:{}: {}: settings are written as in `epochs = 20` or `device = \"cpu\"`", name,
                error.source().begin.line, printable(error.description()));
  }
  std::vector<TomlEntry> entries;
  for (const auto& [key, node] : root) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      entries.push_back(entry_of("", key, node, name));
      continue;
    }
    for (const auto& [inner, value] : *table) {
      entries.push_back(entry_of(std::string(key.str()), inner, value, name));
    }
  }
  return entries;
}

}  // namespace oddity
