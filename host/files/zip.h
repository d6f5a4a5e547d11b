// Zip archives (NPZ, .keras), read and written through libarchive.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace oddity {

/// The members of a zip archive whose names `wanted` lists, as (name, bytes), in the archive's order.
/// Throws Error where the file is not a zip, is damaged (checksums are verified), a member occurs
/// twice, or a member holds more than `limit` bytes, whatever its header declares.
std::vector<std::pair<std::string, std::string>> read_zip(const std::filesystem::path& path,
                                                          const std::vector<std::string>& wanted,
                                                          size_t limit);

/// A zip of `members`, stored without compression, dated 1980-01-01: the same bytes each time.
void write_zip(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace oddity
