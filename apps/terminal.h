// How far work has come, for a person who watches.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace oddity {

enum class ProgressStyle { bar, plain, none };

/// "bar", "plain", "none", or "auto": a bar where standard error is a terminal, plain lines
/// elsewhere.
ProgressStyle progress_style(std::string_view name);

/// Columns of the terminal on standard error: of the window, else COLUMNS, else 80.
size_t terminal_columns();

/// "[=====>....]" with `width` places between the brackets; all "=" when done.
std::string draw_bar(size_t done, size_t total, size_t width);

/// A duration as Keras prints it: 7s, 1:05, 2:03:04.
std::string clock_time(double seconds);

/// One line of standard error that is written again and again. Drawn at most 20 times a second, and
/// never wider than the terminal: a wrapped line could not be overwritten.
class LiveLine {
 public:
  LiveLine() = default;
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;
  /// An error message that follows starts on a line of its own.
  ~LiveLine();

  /// Whether enough time has passed to draw again.
  bool due() const;
  void draw(std::string_view line);
  /// Leaves the line as it is; the next one goes below.
  void finish();
  /// Removes the line.
  void erase();

 private:
  std::chrono::steady_clock::time_point drawn_at_{};
  size_t width_ = 0;  // of what stands there now
};

}  // namespace oddity
