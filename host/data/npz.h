// NPZ files of images, their rows, labels and paths.
#pragma once

#include <filesystem>

#include "data/dataset.h"

namespace oddity {

/// Reads `images` and, where present, `index`, `label` and the paths; absent ones stay empty.
/// Throws Error naming the file and the array.
Dataset read_npz(const std::filesystem::path& path);

/// Writes `images`, `index`, `label` and, where known, the paths, stored without compression.
void write_npz(const std::filesystem::path& path, const Dataset& dataset);

}  // namespace oddity
