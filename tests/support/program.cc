#include "support/program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

extern char** environ;

namespace oddity::test {
namespace {

struct Pipe {
  int read = -1;
  int write = -1;
};

[[noreturn]] void throw_last_error(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_last_error("pipe2");
  return {ends[0], ends[1]};
}

Pipe make_terminal(uint16_t columns) {
  Pipe ends;
  winsize window{};
  window.ws_row = 24;
  window.ws_col = columns;
  if (::openpty(&ends.read, &ends.write, nullptr, nullptr, &window) != 0) {
    throw_last_error("openpty");
  }
  ::fcntl(ends.read, F_SETFD, FD_CLOEXEC);
  ::fcntl(ends.write, F_SETFD, FD_CLOEXEC);
  return ends;
}

/// This process' variables without those that change what the program does, and `added`.
std::vector<std::string> make_environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::string_view name = text.substr(0, text.find('='));
    if (name.starts_with("ODDITY_") || name == "NO_COLOR" || name == "COLUMNS" || name == "TERM" ||
        name == "OMP_NUM_THREADS" || added.contains(std::string(name))) {
      continue;
    }
    all.emplace_back(text);
    // The leak checker's list of what it was told to overlook is not what the program says.
    if (name == "LSAN_OPTIONS") all.back() += ":print_suppressions=0";
  }
  if (!added.contains("TERM")) all.emplace_back("TERM=xterm");
  for (const auto& [name, value] : added)
    all.push_back(std::string(name).append("=").append(value));
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// Appends what can be read; false at the end. A terminal whose other side is gone reports EIO.
bool append(int descriptor, std::string& text) {
  std::array<char, 4096> block{};
  const ssize_t got = ::read(descriptor, block.data(), block.size());
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) return false;
  text.append(block.data(), static_cast<size_t>(got));
  return true;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const ProgramOptions& options) {
  const Pipe out = make_pipe();
  const Pipe err =
      options.terminal_columns > 0 ? make_terminal(options.terminal_columns) : make_pipe();
  std::vector<std::string> words = {"oddity"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = make_environment(options.variables);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> envp = pointers(variables);

  child_ = ::fork();
  if (child_ < 0) throw_last_error("fork");
  if (child_ == 0) {
    // Only calls that are safe between fork and exec. A test that runs in the background may have
    // inherited an ignored SIGINT.
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGPIPE, SIG_DFL);
    if (options.output == ProgramOptions::Output::closed) {
      ::close(STDOUT_FILENO);
    } else if (options.output == ProgramOptions::Output::full) {
      ::dup2(::open("/dev/full", O_WRONLY), STDOUT_FILENO);
    } else {
      ::dup2(out.write, STDOUT_FILENO);
    }
    ::dup2(err.write, STDERR_FILENO);
    if (::chdir(options.folder.c_str()) == 0 &&
        ::dup2(::open(options.standard_input.c_str(), O_RDONLY), STDIN_FILENO) >= 0) {
      ::execve(ODDITY_PROGRAM, argv.data(), envp.data());
    }
    ::_exit(127);
  }
  ::close(out.write);
  ::close(err.write);
  out_ = out.read;
  err_ = err.read;
}

Program::~Program() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  if (out_ >= 0) ::close(out_);
  if (err_ >= 0) ::close(err_);
}

bool Program::read_some() {
  std::array<pollfd, 2> wanted = {pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
  if (::poll(wanted.data(), wanted.size(), -1) < 0) {
    if (errno == EINTR) return true;
    throw_last_error("poll");
  }
  if (wanted[0].revents != 0 && !append(out_, result_.out)) ::close(std::exchange(out_, -1));
  if (wanted[1].revents != 0 && !append(err_, result_.err)) ::close(std::exchange(err_, -1));
  return out_ >= 0 || err_ >= 0;
}

bool Program::wait_for_error_text(const std::string& text) {
  while (result_.err.find(text) == std::string::npos) {
    if (!read_some()) return false;
  }
  return true;
}

void Program::interrupt() { ::kill(child_, SIGINT); }

void Program::kill() { ::kill(child_, SIGKILL); }

ProgramResult Program::finish() {
  while (read_some()) {
  }
  int status = 0;
  if (::waitpid(std::exchange(child_, -1), &status, 0) < 0) throw_last_error("waitpid");
  if (WIFEXITED(status)) result_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result_.signal = WTERMSIG(status);
  return result_;
}

ProgramResult run_program(const std::vector<std::string>& arguments,
                          const ProgramOptions& options) {
  return Program(arguments, options).finish();
}

}  // namespace oddity::test
