// Text for messages and tables.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace oddity {

/// `text` on one line and harmless to a terminal: control characters, line separators, characters
/// that turn the direction of writing, invalid UTF-8 and backslashes are written as \xNN, byte by
/// byte. Everything else stays as it is.
std::string printable(std::string_view text);

/// The same of a path. Takes nothing but a path, so that a string is not two things at once.
template <std::same_as<std::filesystem::path> Path>
std::string printable(const Path& path) {
  return printable(std::string_view(path.native()));
}

/// What printable() was made of: each \xNN, in lower case, is its byte again. Everything else
/// stays, also a backslash that begins no such thing.
std::string unescaped(std::string_view text);

/// The shortest decimal that reads back as the same value, as Python prints it:
/// 0.02863757349550724, 1e-05, 1.0, nan.
std::string shortest(double value);
std::string shortest(float value);

/// The same without a fraction that is none, as a person types it: 4, 0.95.
std::string concise(double value);

/// 6742 → "6,742".
std::string with_thousands(int64_t value);

/// "1 image", "6,742 images".
std::string counted(uint64_t count, std::string_view noun);

}  // namespace oddity
