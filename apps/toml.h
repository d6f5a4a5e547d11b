// Settings files: TOML, of which tables of keys with strings, numbers, booleans and arrays of these
// mean something here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace oddity {

/// `key = value` in table `[table]` (empty above the first table). `values` holds one text, or
/// those of an array: strings without their quotes, numbers and booleans as they would be typed.
struct TomlEntry {
  std::string table;
  std::string key;
  std::vector<std::string> values;
  int line = 0;
};

/// Sorted by table and key. Throws Error beginning with `name` and the line for what is no TOML, a
/// key given twice, a date or a table within a table.
std::vector<TomlEntry> parse_toml(std::string_view text, std::string_view name);

}  // namespace oddity
