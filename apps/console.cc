#include "console.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <system_error>

#include "core/error.h"

namespace oddity {
namespace {

constexpr size_t kDetailColumn = 42;

bool is_set(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

/// 0, or why not everything could be written.
int write_line(int descriptor, std::string line) {
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t written = ::write(descriptor, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    rest.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

}  // namespace

Console::Console() {
  const char* const term = std::getenv("TERM");
  colours_ = ::isatty(STDERR_FILENO) != 0 && !is_set("NO_COLOR") && term != nullptr &&
             std::string_view(term) != "dumb";
}

void Console::info(std::string_view text, std::string_view detail) const {
  if (detail.empty()) return mark("[INFO]", "36", text);
  mark("[INFO]", "36", fmt::format("{:<{}} {}", text, kDetailColumn - 8, detail));
}

// What cannot be said on standard error cannot be said at all: the result is not looked at.
void Console::note(std::string_view line) const { write_line(STDERR_FILENO, std::string(line)); }

void Console::warning(std::string_view message) const { mark("[WARNING]", "33", message); }

void Console::error(std::string_view message) const { mark("[ERROR]", "31", message); }

void Console::result(std::string_view line) const {
  if (const int code = write_line(STDOUT_FILENO, std::string(line)); code != 0) {
    throw Error("cannot write to standard output: {}", std::generic_category().message(code));
  }
}

void Console::mark(std::string_view word, std::string_view colour, std::string_view line) const {
  note(colours_ ? fmt::format("\x1b[{}m{}\x1b[0m {}", colour, word, line)
                : fmt::format("{} {}", word, line));
}

void prepare_standard_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is taken, which is this one. Read-only: writing to it fails.
    if (::open("/dev/null", O_RDONLY) != descriptor) std::abort();
  }
}

}  // namespace oddity
