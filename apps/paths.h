// Paths, checked before any work begins.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "files/atomic_file.h"

namespace oddity {

/// A path together with the option that named it, for messages.
struct NamedPath {
  std::string option;  // "--model"
  std::filesystem::path path;
};

struct OutputPath : NamedPath {
  Overwrite overwrite = Overwrite::replace;
};

/// Throws ArgumentError where two outputs are one file, or an output is an input; Error where an
/// input is not there or an output could not be written later. Outputs without a path are left out.
void check_paths(const std::vector<NamedPath>& inputs, const std::vector<OutputPath>& outputs);

/// Throws ArgumentError unless `path` ends in `suffix`, which names the format that is written.
void check_suffix(const NamedPath& output, const std::string& suffix);

/// The folder of the embedded MNIST: share/oddity/mnist beside the program's bin/, in the build
/// tree as in the install tree, wherever either was moved to. Throws Error where it is not there.
std::filesystem::path embedded_mnist();

/// `path` as a shell takes it: quoted where it must be.
std::string shell_word(const std::filesystem::path& path);

}  // namespace oddity
