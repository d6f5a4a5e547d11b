// Text for messages and tables.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace oddity {

/// `text` with control characters, invalid UTF-8 and backslashes written as \xNN, so that a hostile
/// file name cannot break a line or the terminal.
std::string printable(std::string_view text);
std::string printable(const std::filesystem::path& path);

/// The shortest decimal that reads back as the same value, as Python prints it: 0.02863757349550724,
/// 1e-05, 1.0, nan.
std::string shortest(double value);
std::string shortest(float value);

/// 6742 → "6,742".
std::string with_thousands(int64_t value);

}  // namespace oddity
