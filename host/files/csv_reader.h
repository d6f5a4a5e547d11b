// Tables of comma-separated values with a line of names above them (RFC 4180).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oddity {

/// Rows of a table in memory, one after the other. A field in quotes may hold commas, line breaks
/// and doubled quotes; lines end in LF or CRLF, the last one in either or nothing. Every row has as
/// many fields as the first, which names the columns. A byte order mark is passed over. Every Error
/// begins with the table's name and the line, counted from 1, that the row begins in.
class CsvReader {
 public:
  /// Reads the names. `text` and `name`, which is printable, outlive the reader. Throws Error where
  /// there is no line, or it is no row.
  CsvReader(std::string_view text, std::string_view name);

  /// The position of a column; none where no column has that name. Throws Error where two have.
  std::optional<size_t> column(std::string_view name) const;
  /// Names of all columns, for messages: printable, shortened where they are many.
  std::string columns() const;

  /// Reads the next row; false behind the last. Throws Error where its quotes are wrong, or it has
  /// another number of fields than there are columns.
  bool next();
  /// A field of that row, without quotes; valid until the next row is read.
  const std::string& field(size_t column) const { return fields_[column]; }
  /// "scores.csv:17", for messages about that row.
  std::string place() const;

 private:
  void read_row();
  void read_field(std::string& field);
  void read_quoted(std::string& field);
  bool at_end_of_line() const;

  std::string_view text_;
  std::string_view name_;
  size_t at_ = 0;
  size_t line_ = 1;      // that `at_` lies in
  size_t row_line_ = 1;  // that the row begins in
  std::vector<std::string> names_;
  std::vector<std::string> fields_;  // of the row; never more than one beyond the names
  size_t count_ = 0;                 // of the row's fields
};

}  // namespace oddity
