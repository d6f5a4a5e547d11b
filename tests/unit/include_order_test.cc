// The way of the data is one direction, and so is the way of the includes: a folder includes only
// what stands left of it in
//   core < files/{atomic_file,npy,zip} < data < model < files < engine < train, detect < report <
//   apps.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <string>
#include <string_view>

namespace oddity::test {
namespace {

namespace fs = std::filesystem;

struct Place {
  std::string folder;
  int level = 0;
};

/// Where a file stands, given its path relative to host/; nothing for folders the law does not
/// know.
std::optional<Place> place(const std::string& path) {
  static const std::regex first_files("files/(atomic_file|npy|zip)[^/]*");
  if (std::regex_match(path, first_files)) return Place{"files", 1};
  struct Row {
    std::string_view folder;
    int level;
  };
  static constexpr std::array<Row, 9> kOrder{{{"core", 0},
                                              {"data", 2},
                                              {"model", 3},
                                              {"files", 4},
                                              {"engine", 5},
                                              {"train", 6},
                                              {"detect", 6},
                                              {"report", 7},
                                              {"apps", 8}}};
  const std::string folder = path.substr(0, path.find('/'));
  for (const Row& row : kOrder) {
    if (row.folder == folder) return Place{folder, row.level};
  }
  return std::nullopt;
}

/// Checks every include of the sources below `root`, whose paths in the law begin with `prefix`.
/// Returns how many includes of the project it saw.
int check_includes(const fs::path& root, const std::string& prefix) {
  static const std::regex include("^\\s*#\\s*include\\s*\"([^\"]+)\".*");
  int seen = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const fs::path suffix = entry.path().extension();
    if (suffix != ".h" && suffix != ".cc") continue;
    const std::string file = prefix + fs::relative(entry.path(), root).generic_string();
    const auto here = place(file);
    EXPECT_TRUE(here) << file << " stands in a folder without a place in the order";
    if (!here) continue;
    std::ifstream stream(entry.path());
    std::smatch match;
    for (std::string line; std::getline(stream, line);) {
      if (!std::regex_match(line, match, include)) continue;
      const std::string target = match[1];
      // A file of the program names its neighbours without a folder.
      const auto there = target.find('/') == std::string::npos ? here : place(target);
      EXPECT_TRUE(there) << file << " includes " << target << ", which has no place in the order";
      if (!there) continue;
      ++seen;
      EXPECT_TRUE(there->level < here->level ||
                  (there->level == here->level && there->folder == here->folder))
          << file << " includes " << target << ", which does not stand left of it";
    }
  }
  return seen;
}

TEST(IncludeOrder, LibraryIncludesOnlyWhatStandsLeft) {
  EXPECT_GT(check_includes(fs::path(ODDITY_SOURCE_DIR) / "host", ""), 0);
}

TEST(IncludeOrder, NothingIncludesTheProgram) {
  check_includes(fs::path(ODDITY_SOURCE_DIR) / "apps", "apps/");
}

}  // namespace
}  // namespace oddity::test
