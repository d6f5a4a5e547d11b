#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace oddity {
namespace {

/// One character of UTF-8: its code point and its length in bytes; length 0 where it is invalid.
struct Character {
  char32_t code = 0;
  size_t length = 0;
};

/// Decodes the first character of `text`, which is not empty. Overlong forms, surrogates and values
/// above U+10FFFF are invalid (RFC 3629).
Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
  char32_t code = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  const char32_t smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
  if (code < smallest || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, length};
}

bool is_harmless(char32_t code) {
  if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return false;       // C0, DEL, C1
  if (code == U'\\') return false;                                      // it begins our escapes
  if (code == 0x200E || code == 0x200F || code == 0x61C) return false;  // direction marks
  if (code >= 0x2028 && code <= 0x202E) return false;  // line separators, direction overrides
  return code < 0x2066 || code > 0x2069;               // direction isolates
}

/// 0 to 15; −1 where it is no hexadecimal digit in lower case.
int hexadecimal_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <typename Float>
std::string shortest_decimal(Float value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 48> buffer;
  const auto print = [&](std::chars_format format) {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format).ptr;
    return std::string(buffer.data(), end);
  };
  std::string scientific = print(std::chars_format::scientific);
  const int exponent = std::stoi(scientific.substr(scientific.find('e') + 1));
  // Python's repr: plain decimals for 1e-4 ≤ |value| < 1e16.
  if (value != 0 && (exponent < -4 || exponent >= 16)) return scientific;
  std::string decimal = print(std::chars_format::fixed);
  if (decimal.find('.') == std::string::npos) decimal += ".0";
  return decimal;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    const std::string_view bytes = text.substr(0, character.length ? character.length : 1);
    if (character.length && is_harmless(character.code)) {
      out += bytes;
    } else {
      for (const char byte : bytes) out += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
    }
    text.remove_prefix(bytes.size());
  }
  return out;
}

std::string unescaped(std::string_view text) {
  constexpr size_t kEscape = 4;  // \xNN
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t backslash = std::min(text.find('\\'), text.size());
    out += text.substr(0, backslash);
    text.remove_prefix(backslash);
    if (text.empty()) break;
    const int high = text.size() < kEscape || text[1] != 'x' ? -1 : hexadecimal_digit(text[2]);
    const int low = high < 0 ? -1 : hexadecimal_digit(text[3]);
    out += low < 0 ? '\\' : static_cast<char>(high * 16 + low);
    text.remove_prefix(low < 0 ? 1 : kEscape);
  }
  return out;
}

std::string shortest(double value) { return shortest_decimal(value); }
std::string shortest(float value) { return shortest_decimal(value); }

std::string concise(double value) {
  std::string text = shortest(value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

std::string with_thousands(int64_t value) {
  std::string text = fmt::format("{}", value);
  const size_t first_digit = value < 0 ? 1 : 0;
  for (size_t at = text.size(); at > first_digit + 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string counted(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", with_thousands(static_cast<int64_t>(count)), noun,
                     count == 1 ? "" : "s");
}

}  // namespace oddity
