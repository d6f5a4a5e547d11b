// Tables of scores: what is read is a table whose columns fit each other, and read as CSV it would
// be the same again.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "detect/score_reader.h"

namespace {

/// Index, score and flag of every row as CSV.
std::string csv_of(const oddity::ScoreColumns& table) {
  const bool has_flags = !table.is_outlier.empty();
  std::string text = has_flags ? "index,score,is_outlier\n" : "index,score\n";
  for (size_t i = 0; i < table.size(); ++i) {
    if (!table.index.empty()) text += std::to_string(table.index[i]);
    if (table.index.empty()) text += '0';
    text += ',';
    if (!std::isnan(table.score[i])) text += oddity::shortest(table.score[i]);
    if (has_flags) text += ',';
    if (has_flags && table.is_outlier[i]) text += *table.is_outlier[i] ? "true" : "false";
    text += '\n';
  }
  return text;
}

void check(bool holds) {
  if (!holds) std::abort();
}

void check_table(const oddity::ScoreColumns& table) {
  const size_t rows = table.size();
  check(rows > 0);
  for (const size_t size :
       {table.index.size(), table.path.size(), table.is_outlier.size(), table.status.size()}) {
    check(size == 0 || size == rows);
  }
  for (size_t i = 0; i < rows; ++i) {
    check(!std::isinf(table.score[i]));
    const bool has_score = !std::isnan(table.score[i]);
    if (!table.is_outlier.empty()) check(table.is_outlier[i].has_value() == has_score);
    if (!table.status.empty()) check((table.status[i] == oddity::ImageStatus::ok) == has_score);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  oddity::ScoreColumns table;
  try {
    table = oddity::parse_scores({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const oddity::Error&) {
    return 0;
  }
  check_table(table);
  const std::string text = csv_of(table);
  check(csv_of(oddity::parse_scores(text, "fuzz")) == text);
  return 0;
}
