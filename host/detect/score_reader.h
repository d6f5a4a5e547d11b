// Tables of scores, read back: those that ScoreTable writes, and others with the same columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "images/image_status.h"

namespace oddity {

/// A table by its columns, an entry a row. A column that the table lacks is empty; `score` is
/// always there, so that its size is the number of rows.
struct ScoreColumns {
  std::vector<int64_t> index;
  /// The bytes of each image's path. Empty as well where no row has one.
  std::vector<std::string> path;
  std::vector<double> score;                    // NaN where the image has none
  std::vector<std::optional<bool>> is_outlier;  // none just where the image has no score
  std::vector<ImageStatus> status;

  size_t size() const { return score.size(); }
};

/// Reads a table, recognised by its content, not its name, in memory proportional to it:
/// - NPY: float32 or float64 [N], NaN for an image without a score
/// - JSON lines: one object a line
/// - CSV: a line of column names, then the rows; quoted fields may hold line breaks
/// The columns are index (a whole number), path (as printable() writes it), score (a number, or
/// empty or null where there is none), is_outlier (true or false, or empty or null) and status. Any
/// but score may be missing, in JSON lines from all rows or none; others are passed over. Throws
/// Error naming file, line and what was found where a column or key is there twice, a value is none
/// of its column, a score is infinite, a row has a score but no flag or a status other than ok, or
/// the other way round, or there is no row.
ScoreColumns read_scores(const std::filesystem::path& path);

/// The same of bytes in memory; `name`, which is printable, begins messages.
ScoreColumns parse_scores(std::string_view bytes, std::string_view name);

}  // namespace oddity
