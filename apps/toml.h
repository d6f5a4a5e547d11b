// The part of TOML that settings need: tables, and keys with strings, numbers, booleans and arrays
// of these.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace oddity {

/// `key = value` in table `[table]` (empty above the first table). `values` holds one text, or
/// those of an array: strings without their quotes, numbers and booleans as written.
struct TomlEntry {
  std::string table;
  std::string key;
  std::vector<std::string> values;
  int line = 0;
};

/// Strict: a line that is not understood, a key given twice and a value without quotes that is
/// neither number nor boolean throw Error beginning with `name`, naming the line.
std::vector<TomlEntry> parse_toml(std::string_view text, std::string_view name);

}  // namespace oddity
