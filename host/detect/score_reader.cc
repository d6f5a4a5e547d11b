#include "detect/score_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "detect/score_line.h"
#include "files/atomic_file.h"
#include "files/csv_reader.h"
#include "files/npy.h"

namespace oddity {
namespace {

constexpr size_t kMaxTable = size_t{64} << 30;
constexpr double kNoScore = std::numeric_limits<double>::quiet_NaN();

/// Text from a table in a message: a value of any length is shown by its beginning.
std::string shown(std::string_view text) {
  constexpr size_t kMost = 40;
  return printable(text.substr(0, kMost)) + (text.size() > kMost ? "…" : "");
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last) return {};
  return value;
}

/// Gives the file and the line, where a message needs them.
using Place = std::function<std::string()>;

/// Rows go in one after the other, checked; the columns come out.
class Collector {
 public:
  explicit Collector(const ScoreLine::Columns& columns) : columns_(columns) {}

  void add(const ScoreLine& line, const Place& place) {
    const double score = line.score.empty() ? kNoScore : score_of(line.score, place);
    table_.score.push_back(score);
    if (columns_.index) table_.index.push_back(index_of(line.index, place));
    if (columns_.path) {
      table_.path.push_back(unescaped(line.path));
      has_paths_ = has_paths_ || !line.path.empty();
    }
    if (columns_.is_outlier) {
      table_.is_outlier.push_back(flag_of(line.is_outlier, score, place));
    }
    if (columns_.status) table_.status.push_back(status_of(line.status, score, place));
  }

  ScoreColumns take(std::string_view name) {
    if (table_.score.empty()) throw Error("{}: holds no rows: is it the table of a run?", name);
    if (!has_paths_) table_.path = {};
    return std::move(table_);
  }

 private:
  static double score_of(std::string_view text, const Place& place) {
    const auto value = number_of<double>(text);
    if (!value || !std::isfinite(*value)) {
      throw Error(
          "{}: score \"{}\" is not a finite number: leave it empty for an image that has "
          "none",
          place(), shown(text));
    }
    return *value;
  }

  static int64_t index_of(std::string_view text, const Place& place) {
    const auto value = number_of<int64_t>(text);
    if (!value) throw Error("{}: index \"{}\" is not a whole number", place(), shown(text));
    return *value;
  }

  static std::optional<bool> flag_of(std::string_view text, double score, const Place& place) {
    std::optional<bool> flag;
    // Tables that pass through Python come back with capitals.
    if (text == "true" || text == "True") flag = true;
    if (text == "false" || text == "False") flag = false;
    if (!flag && !text.empty()) {
      throw Error("{}: is_outlier \"{}\" is neither true nor false", place(), shown(text));
    }
    if (flag.has_value() == std::isnan(score)) {
      throw Error(
          "{}: is_outlier \"{}\" and score \"{}\" exclude each other: both are there, or "
          "both are empty",
          place(), text, std::isnan(score) ? "" : shortest(score));
    }
    return flag;
  }

  static ImageStatus status_of(std::string_view text, double score, const Place& place) {
    for (size_t i = 0; i < kImageStatuses; ++i) {
      const auto status = static_cast<ImageStatus>(i);
      if (text != name_of(status)) continue;
      if ((status == ImageStatus::ok) != std::isnan(score)) return status;
      throw Error(
          "{}: status \"{}\" and score \"{}\" exclude each other: an image has a score "
          "where it is ok",
          place(), text, std::isnan(score) ? "" : shortest(score));
    }
    throw Error("{}: status \"{}\" is not known: is the table of a newer version?", place(),
                shown(text));
  }

  ScoreLine::Columns columns_;
  ScoreColumns table_;
  bool has_paths_ = false;
};

ScoreColumns parse_csv(std::string_view bytes, std::string_view name) {
  CsvReader csv(bytes, name);
  const auto index = csv.column("index");
  const auto path = csv.column("path");
  const auto score = csv.column("score");
  const auto is_outlier = csv.column("is_outlier");
  const auto status = csv.column("status");
  if (!score) {
    throw Error(
        "{}:1: no column is named score, there are: {}: a table of scores is CSV with one, "
        "JSON lines or NPY",
        name, csv.columns());
  }
  Collector rows({index.has_value(), path.has_value(), is_outlier.has_value(), status.has_value()});
  const Place place = [&] { return csv.place(); };
  const auto text = [&](const std::optional<size_t>& column) {
    return column ? std::string_view(csv.field(*column)) : std::string_view();
  };
  while (csv.next()) {
    rows.add({text(index), text(path), text(score), text(is_outlier), text(status)}, place);
  }
  return rows.take(name);
}

ScoreColumns parse_json_lines(std::string_view bytes, std::string_view name) {
  std::optional<Collector> rows;
  ScoreLine::Columns columns;
  ScoreLineReader reader;
  for (size_t number = 1; !bytes.empty(); ++number) {
    const Place place = [&] { return fmt::format("{}:{}", name, number); };
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    const auto [line, present] = reader.read(bytes.substr(0, end), place);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (!rows) rows.emplace(columns = present);
    if (!(present == columns)) {
      throw Error(
          "{}: other keys than in line 1: every row has index, path, is_outlier and status, "
          "or none has",
          place());
    }
    rows->add(line, place);
  }
  return rows->take(name);  // not without a row: the first byte was a brace
}

template <typename Number>
std::vector<double> numbers_of(std::string_view data, size_t count) {
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) {
    Number value;
    std::memcpy(&value, data.data() + i * sizeof value, sizeof value);
    values[i] = static_cast<double>(value);
  }
  return values;
}

ScoreColumns parse_npy_scores(std::string_view bytes, std::string_view name) {
  const NpyHeader header = parse_npy(bytes, name);
  const bool is_single = header.type == "<f4";
  if (header.shape.size() != 1 || (!is_single && header.type != "<f8")) {
    throw Error("{}: {} of shape {}: scores are float32 or float64 of shape (N,)", name,
                header.type, shape_text(header.shape));
  }
  const std::string_view data = bytes.substr(header.data_offset);
  ScoreColumns table;
  table.score = is_single ? numbers_of<float>(data, header.count())
                          : numbers_of<double>(data, header.count());
  if (table.score.empty()) throw Error("{}: holds no rows: is it the table of a run?", name);
  const auto infinite = std::find_if(table.score.begin(), table.score.end(),
                                     [](double score) { return std::isinf(score); });
  if (infinite != table.score.end()) {
    throw Error(
        "{}: score {} is {}: only finite numbers and NaN, for an image that has none, are "
        "scores",
        name, infinite - table.score.begin(), shortest(*infinite));
  }
  return table;
}

}  // namespace

ScoreColumns parse_scores(std::string_view bytes, std::string_view name) {
  if (bytes.empty()) throw Error("{}: the file is empty: is it the table of a run?", name);
  if (bytes.starts_with("\x93NUMPY")) return parse_npy_scores(bytes, name);
  if (bytes.starts_with('{')) return parse_json_lines(bytes, name);
  return parse_csv(bytes, name);
}

ScoreColumns read_scores(const std::filesystem::path& path) {
  return parse_scores(read_file(path, kMaxTable), printable(path));
}

}  // namespace oddity
