// Where the program's lines go: results to standard output, everything else to standard error.
#pragma once

#include <string_view>

namespace oddity {

class Console {
 public:
  /// Colours only where standard error is a terminal and neither NO_COLOR nor TERM=dumb object.
  Console();

  /// `[INFO] text` and, in a column of its own, a detail.
  void info(std::string_view text, std::string_view detail = {}) const;
  /// A line without a mark.
  void note(std::string_view line) const;
  void warning(std::string_view message) const;
  void error(std::string_view message) const;

  /// A line of the result. Throws Error where it cannot be written (closed pipe, full disk).
  void result(std::string_view line) const;

 private:
  void mark(std::string_view word, std::string_view colour, std::string_view line) const;

  bool colours_ = false;
};

/// Standard input, output and error are open from here on, so that no data file becomes one of
/// them by accident; writing to an output that was closed still fails. Broken pipes and files
/// that grow past the user's limit are errors of the write, not a silent death.
void prepare_standard_streams();

}  // namespace oddity
