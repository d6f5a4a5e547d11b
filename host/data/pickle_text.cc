#include "data/pickle_text.h"

#include <charconv>
#include <string_view>

namespace oddity::pickle {
namespace {

/// Latin-1 in which \uXXXX and \UXXXXXXXX stand for characters ("raw-unicode-escape").
bool append_escaped(std::string_view raw, std::string& out) {
  for (size_t i = 0; i < raw.size(); ++i) {
    const char escape = raw[i] == '\\' && i + 1 < raw.size() ? raw[i + 1] : '\0';
    if (escape != 'u' && escape != 'U') {
      out.push_back(raw[i]);
      continue;
    }
    const std::string_view digits = raw.substr(i + 2, escape == 'u' ? 4 : 8);
    unsigned value = 0;
    const char* const last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, value, 16);
    if (digits.size() < 4 || error != std::errc() || end != last || value > 0xff) return false;
    out.push_back(static_cast<char>(value));
    i += 1 + digits.size();
  }
  return true;
}

bool append_utf8(std::string_view raw, std::string& out) {
  for (size_t i = 0; i < raw.size(); ++i) {
    const auto byte = static_cast<unsigned char>(raw[i]);
    if (byte < 0x80) {
      out.push_back(raw[i]);
      continue;
    }
    const bool two_bytes = byte == 0xc2 || byte == 0xc3;
    if (!two_bytes || i + 1 == raw.size()) return false;
    const auto next = static_cast<unsigned char>(raw[++i]);
    if ((next & 0xc0) != 0x80) return false;
    out.push_back(static_cast<char>((byte & 3) << 6 | (next & 0x3f)));
  }
  return true;
}

}  // namespace

bool append_latin1(const Text& text, std::string& out) {
  return text.escaped ? append_escaped(text.raw, out) : append_utf8(text.raw, out);
}

}  // namespace oddity::pickle
