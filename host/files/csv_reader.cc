#include "files/csv_reader.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string_view name) : text_(text), name_(name) {
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  if (text_.empty()) throw Error("{}: the file is empty: a line of column names is missing", name_);
  read_row();
  names_.swap(fields_);
}

std::optional<size_t> CsvReader::column(std::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) return {};
  if (std::find(found + 1, names_.end(), name) != names_.end()) {
    throw Error("{}:1: two columns are named {}: remove one", name_, printable(name));
  }
  return static_cast<size_t>(found - names_.begin());
}

std::string CsvReader::columns() const {
  constexpr size_t kMostColumns = 10;
  constexpr size_t kMostBytes = 40;
  std::string all;
  for (size_t i = 0; i < names_.size(); ++i) {
    if (i == kMostColumns) return all + ", …";
    // What is cut within a character shows as its bytes.
    all += fmt::format("{}{}", i == 0 ? "" : ", ",
                       printable(std::string_view(names_[i]).substr(0, kMostBytes)));
  }
  return all;
}

std::string CsvReader::place() const { return fmt::format("{}:{}", name_, row_line_); }

bool CsvReader::next() {
  if (at_ == text_.size()) return false;
  read_row();
  if (count_ != names_.size()) {
    throw Error("{}: {} fields{}, the first line names {} columns", place(), count_,
                count_ > names_.size() ? " or more" : "", names_.size());
  }
  return true;
}

bool CsvReader::at_end_of_line() const {
  return at_ == text_.size() || text_[at_] == '\n' ||
         (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n');
}

/// Reads fields up to the end of the line; of a row with too many, one too many.
void CsvReader::read_row() {
  row_line_ = line_;
  count_ = 0;
  for (;;) {
    if (!names_.empty() && count_ > names_.size()) return;
    if (count_ == fields_.size()) fields_.emplace_back();
    read_field(fields_[count_++]);
    if (at_end_of_line()) break;
    ++at_;  // a comma: read_field stops nowhere else
  }
  if (at_ < text_.size() && text_[at_] == '\r') ++at_;
  if (at_ < text_.size()) ++at_;
  ++line_;
}

void CsvReader::read_field(std::string& field) {
  if (at_ < text_.size() && text_[at_] == '"') return read_quoted(field);
  const size_t begin = at_;
  while (!at_end_of_line() && text_[at_] != ',') {
    if (text_[at_] == '"') {
      throw Error(
          "{}: a quote within a field that does not begin with one: put it in quotes, and "
          "write \"\" for a quote",
          place());
    }
    ++at_;
  }
  field.assign(text_.substr(begin, at_ - begin));
}

void CsvReader::read_quoted(std::string& field) {
  field.clear();
  ++at_;
  for (;;) {
    const size_t quote = text_.find('"', at_);
    if (quote == text_.npos)
      throw Error("{}: a quote is not closed: is the file cut off?", place());
    const std::string_view part = text_.substr(at_, quote - at_);
    line_ += static_cast<size_t>(std::count(part.begin(), part.end(), '\n'));
    field += part;
    at_ = quote + 1;
    if (at_ == text_.size() || text_[at_] != '"') break;
    field += '"';
    ++at_;
  }
  if (!at_end_of_line() && text_[at_] != ',') {
    throw Error("{}: text behind a closing quote: put the whole field in quotes", place());
  }
}

}  // namespace oddity
