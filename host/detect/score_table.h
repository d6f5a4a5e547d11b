// Scores as a table: csv, jsonl or npy, chosen by the suffix.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "images/image_status.h"

namespace oddity {

/// One row of the table.
struct ScoreRow {
  std::string path;  // any bytes; empty for sets without paths
  ImageStatus status = ImageStatus::ok;
  float score = 0;     // of an image that is ok
  std::string reason;  // of one that is not
};

/// Throws ArgumentError unless the suffix is .csv, .jsonl or .npy.
void check_score_suffix(const std::filesystem::path& path);

/// A table being written, in memory that does not grow with its rows; the file appears whole at
/// commit() or not at all. An outlier is score >= threshold. csv and jsonl hold index, path, score,
/// is_outlier, status, reason; npy the scores alone, float32 [N]. Scores are written with the
/// digits of their float64 value: whoever reads them as float32 or as float64 gets the very score,
/// and the same outliers from the same threshold. A bad image has an empty score and is_outlier
/// (jsonl: null, npy: NaN).
///
/// A row is one line of valid UTF-8 whatever the path's bytes: they are written as printable() does
/// (core/text.h), which can be undone: \xNN is a byte, and a backslash itself is \x5c.
class ScoreTable {
 public:
  /// `rows` that will be added. Throws ArgumentError for another suffix, Error where the file
  /// cannot be written.
  ScoreTable(const std::filesystem::path& path, uint64_t rows, double threshold);
  ~ScoreTable();
  ScoreTable(ScoreTable&&) noexcept;
  ScoreTable& operator=(ScoreTable&&) noexcept;

  /// Throws Error where the score of an image that is ok is not finite, or the file cannot be
  /// written.
  void add(int64_t index, const ScoreRow& row);
  uint64_t outliers() const;
  /// Throws Error where the number of rows added is another than was announced.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A table of images that are all ok, in the order of the set; `index`, `scores` and, where images
/// have any, `image_paths` are of one length. Throws Error where they are not, and as ScoreTable
/// does.
void write_scores(const std::filesystem::path& path, std::span<const int64_t> index,
                  std::span<const float> scores, double threshold,
                  std::span<const std::string> image_paths = {});

}  // namespace oddity
