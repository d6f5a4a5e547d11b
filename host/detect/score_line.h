// One row of a table of scores as text, and how a line of JSON gives it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace oddity {

/// The fields of a row as they stand in the table, decoded no further than to text; empty where the
/// row has none.
struct ScoreLine {
  std::string_view index;
  std::string_view path;
  std::string_view score;
  std::string_view is_outlier;
  std::string_view status;

  /// Which of the columns that may be missing are there.
  struct Columns {
    bool index = false;
    bool path = false;
    bool is_outlier = false;
    bool status = false;
    friend bool operator==(const Columns&, const Columns&) = default;
  };
};

/// Reads lines of JSON, one after the other.
class ScoreLineReader {
 public:
  /// The fields, valid until the next line is read, and which of them there are: null gives an
  /// empty one. Keys that are no column's, and all that is within them, are passed over. Throws
  /// Error beginning with what `place` gives where the line is not one JSON object, a key is there
  /// twice, a value is of another type than its column's, or there is no score.
  std::pair<ScoreLine, ScoreLine::Columns> read(std::string_view line,
                                                const std::function<std::string()>& place);

 private:
  std::string index_, path_, score_, is_outlier_, status_;
};

}  // namespace oddity
