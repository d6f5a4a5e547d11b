#include "detect/score_table.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>

#include "core/error.h"
#include "core/text.h"
#include "files/atomic_file.h"
#include "files/npy.h"

namespace oddity {
namespace {

/// Rows go to the file in pieces of about this size: a table of any length takes constant memory.
constexpr size_t kBlock = 1 << 16;

void check_scores(const std::filesystem::path& path, std::span<const int64_t> index,
                  std::span<const float> scores) {
  if (index.size() != scores.size()) {
    throw Error("{}: {} scores do not match {} images", printable(path), scores.size(),
                index.size());
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      throw Error("{}: the score of image {} is {}: are there NaN in the model's weights?",
                  printable(path), index[i], shortest(scores[i]));
    }
  }
}

std::string csv_row(int64_t index, double score, bool is_outlier) {
  return fmt::format("{},,{},{},ok,\n", index, shortest(score), is_outlier);
}

std::string jsonl_row(int64_t index, double score, bool is_outlier) {
  return fmt::format(
      "{{\"index\": {}, \"path\": \"\", \"score\": {}, \"is_outlier\": {}, \"status\": \"ok\", "
      "\"reason\": \"\"}}\n",
      index, shortest(score), is_outlier);
}

}  // namespace

void check_score_suffix(const std::filesystem::path& path) {
  const auto suffix = path.extension();
  if (suffix != ".csv" && suffix != ".jsonl" && suffix != ".npy") {
    throw ArgumentError("{}: scores are written as .csv, .jsonl or .npy, not \"{}\"",
                        printable(path), printable(suffix));
  }
}

void write_scores(const std::filesystem::path& path, std::span<const int64_t> index,
                  std::span<const float> scores, double threshold) {
  check_score_suffix(path);
  check_scores(path, index, scores);
  AtomicFile file(path);
  if (path.extension() == ".npy") {
    file.write(npy_header("<f4", std::array{static_cast<int64_t>(scores.size())}));
    file.write(scores.data(), scores.size_bytes());
  } else {
    const bool is_csv = path.extension() == ".csv";
    std::string rows = is_csv ? "index,path,score,is_outlier,status,reason\n" : "";
    for (size_t i = 0; i < scores.size(); ++i) {
      const double score = static_cast<double>(scores[i]);
      rows += (is_csv ? csv_row : jsonl_row)(index[i], score, score >= threshold);
      if (rows.size() >= kBlock) {
        file.write(rows);
        rows.clear();
      }
    }
    file.write(rows);
  }
  file.commit();
}

}  // namespace oddity
