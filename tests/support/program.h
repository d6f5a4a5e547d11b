// Runs the real program as a person does, and keeps what it said.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace oddity::test {

struct ProgramOptions {
  std::filesystem::path folder = ".";                              // where it runs
  std::map<std::string, std::string> variables = {};               // besides those of this process
  enum class Output { pipe, closed, full } output = Output::pipe;  // full: /dev/full
  std::string standard_input = "/dev/null";                        // a file, relative to `folder`
  uint16_t terminal_columns = 0;  // not 0: standard error is a terminal of that width
};

struct ProgramResult {
  int exit_code = -1;  // −1: ended by `signal`
  int signal = 0;
  std::string out;
  std::string err;
};

/// The program at ODDITY_PROGRAM, started. Nothing of the caller's environment that would change
/// what it does reaches it.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments, const ProgramOptions& options = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// Waits until standard error holds `text`; false where the program ends without it.
  bool wait_for_error_text(const std::string& text);
  void interrupt();
  /// SIGKILL: as a power cut, but for what the system still writes.
  void kill();
  /// Waits for the end.
  ProgramResult finish();

 private:
  bool read_some();

  pid_t child_ = -1;
  int out_ = -1;
  int err_ = -1;
  ProgramResult result_;
};

ProgramResult run_program(const std::vector<std::string>& arguments,
                          const ProgramOptions& options = {});

}  // namespace oddity::test
