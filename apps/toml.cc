#include "toml.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool is_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end;
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view name) : text_(text), name_(name) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // the mark some editors begin UTF-8 with
  }

  std::vector<TomlEntry> parse() {
    for (skip_blank_lines(); !at_end(); skip_blank_lines()) {
      if (peek() == '[') {
        table_ = parse_table();
      } else {
        add(parse_entry());
      }
      skip_blanks();
      if (!at_end() && peek() != '\n') fail("one setting a line is expected");
    }
    return std::move(entries_);
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  char next() {
    const char c = peek();
    if (!at_end()) ++at_;
    if (c == '\n') ++line_;
    return c;
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw Error("{}:{}: {}", name_, line_, what);
  }

  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\r') next();
    if (peek() != '#') return;
    while (!at_end() && peek() != '\n') next();
  }
  void skip_blank_lines() {
    for (skip_blanks(); peek() == '\n'; skip_blanks()) next();
  }

  std::string parse_name() {
    if (peek() == '"' || peek() == '\'') return parse_string();
    std::string name;
    while (is_bare(peek())) name += next();
    if (name.empty()) fail("a name is expected, as in `epochs = 20` or `[train]`");
    return name;
  }

  std::string parse_table() {
    next();
    skip_blanks();
    std::string name = parse_name();
    skip_blanks();
    if (next() != ']') fail("a table is named as in `[train]`");
    return name;
  }

  TomlEntry parse_entry() {
    TomlEntry entry;
    entry.table = table_;
    entry.line = line_;
    entry.key = parse_name();
    skip_blanks();
    if (next() != '=') {
      fail(fmt::format("`{}` is given no value: write {} = …", printable(entry.key),
                       printable(entry.key)));
    }
    skip_blanks();
    if (peek() == '[') {
      entry.values = parse_array();
    } else {
      entry.values = {parse_value()};
    }
    return entry;
  }

  std::vector<std::string> parse_array() {
    std::vector<std::string> values;
    next();
    for (skip_blank_lines(); peek() != ']'; skip_blank_lines()) {
      values.push_back(parse_value());
      skip_blank_lines();
      if (peek() == ',') {
        next();
      } else if (peek() != ']') {
        fail("an array is written as [32, 64]");
      }
    }
    next();
    return values;
  }

  std::string parse_value() {
    if (peek() == '"' || peek() == '\'') return parse_string();
    std::string word;
    while (is_bare(peek()) || peek() == '.' || peek() == '+') word += next();
    if (word == "true" || word == "false" || is_number(word)) return word;
    fail(fmt::format("'{}' is neither a number, true nor false: text is written in quotes",
                     printable(word)));
  }

  std::string parse_string() {
    const char quote = next();
    std::string text;
    for (;;) {
      if (at_end() || peek() == '\n') fail("a string does not end: close its quotes");
      const char c = next();
      if (c == quote) return text;
      text += c == '\\' && quote == '"' ? parse_escape() : c;
    }
  }

  char parse_escape() {
    switch (next()) {
      case '\\':
        return '\\';
      case '"':
        return '"';
      case 't':
        return '\t';
      case 'n':
        return '\n';
      default:
        fail("unknown escape: \\\\, \\\", \\t and \\n exist; single quotes take text as it is");
    }
  }

  void add(TomlEntry entry) {
    const auto same = [&](const TomlEntry& other) {
      return other.table == entry.table && other.key == entry.key;
    };
    const auto first = std::find_if(entries_.begin(), entries_.end(), same);
    if (first != entries_.end()) {
      throw Error("{}:{}: {} was given in line {} already: keep one", name_, entry.line,
                  printable(entry.key), first->line);
    }
    entries_.push_back(std::move(entry));
  }

  std::string_view text_;
  std::string_view name_;
  size_t at_ = 0;
  int line_ = 1;
  std::string table_;
  std::vector<TomlEntry> entries_;
};

}  // namespace

std::vector<TomlEntry> parse_toml(std::string_view text, std::string_view name) {
  return Parser(text, name).parse();
}

}  // namespace oddity
