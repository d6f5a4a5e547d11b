#include "detect/score_table.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "files/atomic_file.h"
#include "files/npy.h"

namespace oddity {
namespace {

/// Rows go to the file in pieces of about this size: a table of any length takes constant memory.
constexpr size_t kBlock = 1 << 16;

/// A reason, printable like a path. The backslashes it holds begin escapes already.
std::string printable_reason(std::string_view reason) {
  std::string out;
  for (;;) {
    const size_t backslash = reason.find('\\');
    out += printable(reason.substr(0, backslash));
    if (backslash == std::string_view::npos) return out;
    out += '\\';
    reason.remove_prefix(backslash + 1);
  }
}

/// `text`, which is printable, as a field of RFC 4180.
std::string csv_field(std::string text) {
  if (text.find_first_of(",\"") == std::string::npos) return text;
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"') out += '"';
    out += letter;
  }
  return out += '"';
}

/// `text`, which is printable, as a string of JSON.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    out += letter;
  }
  return out += '"';
}

}  // namespace

struct ScoreTable::State {
  enum class Format { csv, jsonl, npy };

  State(const std::filesystem::path& name, uint64_t announced, double value)
      : path(name), rows(announced), threshold(value), file(name) {
    if (path.extension() == ".npy") {
      format = Format::npy;
      block = npy_header("<f4", std::array{static_cast<int64_t>(rows)});
    } else if (path.extension() == ".jsonl") {
      format = Format::jsonl;
    } else {
      block = "index,path,score,is_outlier,status,reason\n";
    }
  }

  void add_csv(int64_t index, const ScoreRow& row, bool is_ok, bool is_outlier) {
    fmt::format_to(std::back_inserter(block), "{},{},", index, csv_field(printable(row.path)));
    if (is_ok) {
      fmt::format_to(std::back_inserter(block), "{},{}", shortest(static_cast<double>(row.score)),
                     is_outlier);
    } else {
      block += ',';
    }
    fmt::format_to(std::back_inserter(block), ",{},{}\n", name_of(row.status),
                   csv_field(printable_reason(row.reason)));
  }

  void add_jsonl(int64_t index, const ScoreRow& row, bool is_ok, bool is_outlier) {
    fmt::format_to(std::back_inserter(block),
                   "{{\"index\": {}, \"path\": {}, \"score\": {}, \"is_outlier\": {}, "
                   "\"status\": \"{}\", \"reason\": {}}}\n",
                   index, json_string(printable(row.path)),
                   is_ok ? shortest(static_cast<double>(row.score)) : "null",
                   is_ok ? (is_outlier ? "true" : "false") : "null", name_of(row.status),
                   json_string(printable_reason(row.reason)));
  }

  void add_npy(const ScoreRow& row, bool is_ok) {
    const float value = is_ok ? row.score : std::numeric_limits<float>::quiet_NaN();
    block.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void flush() {
    file.write(block);
    block.clear();
  }

  std::filesystem::path path;
  uint64_t rows;  // as announced
  double threshold;
  AtomicFile file;
  Format format = Format::csv;
  std::string block;  // not in the file yet
  uint64_t added = 0;
  uint64_t outliers = 0;
};

void check_score_suffix(const std::filesystem::path& path) {
  const auto suffix = path.extension();
  if (suffix != ".csv" && suffix != ".jsonl" && suffix != ".npy") {
    throw ArgumentError("{}: scores are written as .csv, .jsonl or .npy, not \"{}\"",
                        printable(path), printable(suffix));
  }
}

ScoreTable::ScoreTable(const std::filesystem::path& path, uint64_t rows, double threshold) {
  check_score_suffix(path);
  state_ = std::make_unique<State>(path, rows, threshold);
}

ScoreTable::~ScoreTable() = default;
ScoreTable::ScoreTable(ScoreTable&&) noexcept = default;
ScoreTable& ScoreTable::operator=(ScoreTable&&) noexcept = default;

void ScoreTable::add(int64_t index, const ScoreRow& row) {
  State& table = *state_;
  const bool is_ok = row.status == ImageStatus::ok;
  if (is_ok && !std::isfinite(row.score)) {
    throw Error("{}: the score of image {} is {}: are there NaN in the model's weights?",
                printable(table.path), index, shortest(row.score));
  }
  const bool is_outlier = is_ok && static_cast<double>(row.score) >= table.threshold;
  if (table.format == State::Format::csv) table.add_csv(index, row, is_ok, is_outlier);
  if (table.format == State::Format::jsonl) table.add_jsonl(index, row, is_ok, is_outlier);
  if (table.format == State::Format::npy) table.add_npy(row, is_ok);
  ++table.added;
  if (is_outlier) ++table.outliers;
  if (table.block.size() >= kBlock) table.flush();
}

uint64_t ScoreTable::outliers() const { return state_->outliers; }

void ScoreTable::commit() {
  if (state_->added != state_->rows) {
    throw Error("{}: {} rows were announced, {} came", printable(state_->path), state_->rows,
                state_->added);
  }
  state_->flush();
  state_->file.commit();
}

void write_scores(const std::filesystem::path& path, std::span<const int64_t> index,
                  std::span<const float> scores, double threshold,
                  std::span<const std::string> image_paths) {
  check_score_suffix(path);
  if (index.size() != scores.size()) {
    throw Error("{}: {} scores do not match {} images", printable(path), scores.size(),
                index.size());
  }
  if (!image_paths.empty() && image_paths.size() != scores.size()) {
    throw Error("{}: {} scores do not match {} paths", printable(path), scores.size(),
                image_paths.size());
  }
  ScoreTable table(path, scores.size(), threshold);
  ScoreRow row;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!image_paths.empty()) row.path = image_paths[i];
    row.score = scores[i];
    table.add(index[i], row);
  }
  table.commit();
}

}  // namespace oddity
