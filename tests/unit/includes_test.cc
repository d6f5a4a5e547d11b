// The order of the folders: a folder includes only what stands left of it.
//   core < files/{atomic_file,npy,zip} < data < images < model < files/ (model files) < engine
//        < train, detect < report < apps
// kernels/ knows core alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <string>
#include <vector>

namespace oddity::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path kSource = ODDITY_SOURCE_DIR;

/// Where a source file stands: in which part of the program, and how far right that part is.
struct Place {
  std::string part;
  int rank;
};

/// `file` is relative to the top folder: host/data/idx.cc. Nothing for a folder without a place.
std::optional<Place> place_of(const fs::path& file) {
  auto name = file.begin();
  if (name == file.end()) return {};
  if (*name == "apps") return Place{"apps", 9};
  if (*name == "kernels") return Place{"kernels", 1};
  if (*name != "host" || ++name == file.end()) return {};
  const std::string folder = *name;
  if (folder == "files") {
    const std::string stem = file.stem();
    const bool is_early = stem == "atomic_file" || stem == "npy" || stem == "zip";
    return is_early ? Place{"files/{atomic_file,npy,zip}", 1} : Place{"files (model files)", 5};
  }
  static const std::vector<Place> kFolders{{"core", 0},   {"data", 2},   {"images", 3},
                                           {"model", 4},  {"engine", 6}, {"train", 7},
                                           {"detect", 7}, {"report", 8}};
  const auto found = std::find_if(kFolders.begin(), kFolders.end(),
                                  [&](const Place& place) { return place.part == folder; });
  return found == kFolders.end() ? std::nullopt : std::optional(*found);
}

/// The file of ours that `line` of `file` includes, relative to the top folder; empty where none.
fs::path included_file(const fs::path& file, const std::string& line) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*["<]([^">]+)[">].*)re");
  std::smatch match;
  if (!std::regex_match(line, match, kInclude)) return {};
  const fs::path name = match[1].str();
  for (const fs::path& folder :
       {fs::path("host"), file.parent_path(), fs::path("apps"), fs::path()}) {
    const fs::path candidate = (folder / name).lexically_normal();
    if (fs::is_regular_file(kSource / candidate)) return candidate;
  }
  return {};
}

/// What is wrong with `line` of `file`; empty where nothing is.
std::string complaint(const fs::path& file, const std::string& line) {
  const fs::path included = included_file(file, line);
  const auto from = place_of(file);
  const auto to = place_of(included);
  if (!from) return "stands in a folder without a place in the order";
  if (included.empty() || !to) return "";
  if (from->part == to->part || to->rank < from->rank) return "";
  return from->part + " must not include " + included.string() + ": " + to->part +
         " does not stand left of it";
}

bool is_source(const fs::path& path) {
  const auto suffix = path.extension();
  return suffix == ".h" || suffix == ".cc" || suffix == ".cu" || suffix == ".cuh";
}

TEST(Includes, FollowTheOrderOfTheFolders) {
  size_t files = 0;
  for (const char* top : {"host", "apps", "kernels"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kSource / top)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      ++files;
      const fs::path file = fs::relative(entry.path(), kSource);
      std::ifstream in(entry.path());
      int number = 1;
      for (std::string line; std::getline(in, line);) {
        EXPECT_THAT(complaint(file, line), IsEmpty())
            << file.string() << ":" << number << ": " << line;
        ++number;
      }
    }
  }
  EXPECT_GT(files, 30u) << "the sources were not found";
}

TEST(Includes, WouldBeCaughtInTheWrongOrder) {
  EXPECT_THAT(complaint("host/data/idx.cc", "#include \"engine/engine.h\""),
              HasSubstr("data must not include host/engine/engine.h"));
  EXPECT_THAT(complaint("host/data/idx.cc", "#include \"../engine/engine.h\""),
              HasSubstr("host/engine/engine.h"));
  EXPECT_THAT(complaint("host/core/text.cc", "# include <files/npy.h>"),
              HasSubstr("core must not include host/files/npy.h"));
  EXPECT_THAT(complaint("host/files/npy.cc", "#include \"model/weights.h\""),
              HasSubstr("must not"));
  EXPECT_THAT(complaint("host/files/zip.cc", "#include \"files/model_file.h\""),
              HasSubstr("must not"));
  EXPECT_THAT(complaint("host/train/trainer.cc", "#include \"detect/quantile.h\""),
              HasSubstr("must not"))
      << "train and detect stand side by side";
  EXPECT_THAT(complaint("host/new/a.cc", ""), HasSubstr("without a place"));
  EXPECT_THAT(complaint("kernels/loss.cu", "#include \"engine/engine.h\""), HasSubstr("must not"));

  EXPECT_THAT(complaint("host/files/model_file.cc", "#include \"model/weights.h\""), IsEmpty());
  EXPECT_THAT(complaint("host/files/model_file.cc", "#include \"files/zip.h\""), IsEmpty());
  EXPECT_THAT(complaint("host/report/montage.cc", "#include \"data/pixels.h\""), IsEmpty());
  EXPECT_THAT(complaint("host/core/text.cc", "#include <charconv>"), IsEmpty());
  EXPECT_THAT(complaint("kernels/launch.cc", "#include \"core/error.h\""), IsEmpty());
}

}  // namespace
}  // namespace oddity::test
