#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace oddity {
namespace {

constexpr std::chrono::milliseconds kBetweenDraws(50);

void write_error(std::string_view text) {
  // Progress that cannot be shown is no reason to stop.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

ProgressStyle progress_style(std::string_view name) {
  if (name == "bar") return ProgressStyle::bar;
  if (name == "plain") return ProgressStyle::plain;
  if (name == "none") return ProgressStyle::none;
  return ::isatty(STDERR_FILENO) != 0 ? ProgressStyle::bar : ProgressStyle::plain;
}

size_t terminal_columns() {
  winsize window{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) return window.ws_col;
  if (const char* const text = std::getenv("COLUMNS"); text != nullptr) {
    const std::string_view digits(text);
    size_t columns = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), columns);
    if (columns > 0) return columns;
  }
  return 80;
}

std::string draw_bar(size_t done, size_t total, size_t width) {
  if (done >= total) return fmt::format("[{:=<{}}]", "", width);
  const auto share = static_cast<double>(done) / static_cast<double>(total);
  const auto full = std::min(width, static_cast<size_t>(share * static_cast<double>(width)));
  std::string bar(full, '=');
  if (full > 0) bar.back() = '>';
  return fmt::format("[{:.<{}}]", bar, width);
}

std::string clock_time(double seconds) {
  const auto whole = static_cast<int64_t>(std::round(std::clamp(seconds, 0.0, 1e9)));
  if (whole >= 3600) {
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  }
  if (whole >= 60) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}s", whole);
}

LiveLine::~LiveLine() { finish(); }

bool LiveLine::due() const {
  return width_ == 0 || std::chrono::steady_clock::now() - drawn_at_ >= kBetweenDraws;
}

void LiveLine::draw(std::string_view line) {
  // The last column stays free: some terminals wrap as soon as it is filled.
  line = line.substr(0, terminal_columns() - 1);
  write_error(fmt::format("\r{:<{}}", line, width_));
  width_ = line.size();
  drawn_at_ = std::chrono::steady_clock::now();
}

void LiveLine::finish() {
  if (width_ > 0) write_error("\n");
  width_ = 0;
}

void LiveLine::erase() {
  if (width_ > 0) write_error(fmt::format("\r{:<{}}\r", "", width_));
  width_ = 0;
}

}  // namespace oddity
