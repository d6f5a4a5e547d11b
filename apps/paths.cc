#include "paths.h"

#include <algorithm>
#include <system_error>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace fs = std::filesystem;
namespace {

/// One file under two names: the same path after links and dots, or hard links to each other.
bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code error;
  if (fs::equivalent(a, b, error)) return fs::is_regular_file(a, error);
  const fs::path one = fs::weakly_canonical(fs::absolute(a), error);
  if (error) return false;
  const fs::path other = fs::weakly_canonical(fs::absolute(b), error);
  return !error && one == other && !fs::exists(one, error);
}

void check_input(const NamedPath& input) {
  std::error_code error;
  const fs::file_status status = fs::status(input.path, error);
  if (status.type() == fs::file_type::not_found) {
    throw Error("{} {}: no such file", input.option, printable(input.path));
  }
  if (fs::is_directory(status)) {
    throw Error("{} {}: it is a folder: name a file", input.option, printable(input.path));
  }
}

}  // namespace

void check_paths(const std::vector<NamedPath>& inputs, const std::vector<OutputPath>& outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const OutputPath& output = outputs[i];
    if (output.path.empty()) continue;
    for (const NamedPath& input : inputs) {
      if (!input.path.empty() && same_file(output.path, input.path)) {
        throw ArgumentError("{} would replace {} {}: give the output another name", output.option,
                            input.option, printable(input.path));
      }
    }
    for (size_t k = 0; k < i; ++k) {
      if (!outputs[k].path.empty() && same_file(output.path, outputs[k].path)) {
        throw ArgumentError("{} and {} are both {}: give each a name of its own", outputs[k].option,
                            output.option, printable(output.path));
      }
    }
  }
  for (const NamedPath& input : inputs) {
    if (!input.path.empty()) check_input(input);
  }
  for (const OutputPath& output : outputs) {
    if (!output.path.empty()) check_output(output.path, output.overwrite);
  }
}

void check_suffix(const NamedPath& output, const std::string& suffix) {
  if (output.path.empty() || output.path.extension() == suffix) return;
  throw ArgumentError("{} {}: it is written as {}, change the suffix", output.option,
                      printable(output.path), suffix);
}

fs::path embedded_mnist() {
  const fs::path program = fs::read_symlink("/proc/self/exe");
  fs::path folder = program.parent_path().parent_path() / "share" / "oddity" / "mnist";
  if (fs::is_directory(folder)) return folder;
  throw Error(
      "{}: the embedded MNIST is not there: install Oddity again, or name data with --images",
      printable(folder));
}

std::string shell_word(const fs::path& path) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=+@%";
  std::string text = path.string();
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : printable(text))
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace oddity
