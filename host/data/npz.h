// NPZ files of images, their rows and labels.
#pragma once

#include <filesystem>

#include "data/dataset.h"

namespace oddity {

/// Reads `images` and, where present, `index` and `label`; absent ones stay empty.
/// Throws Error naming the file and the array.
Dataset read_npz(const std::filesystem::path& path);

/// Writes `images`, `index` and `label`, stored without compression.
void write_npz(const std::filesystem::path& path, const Dataset& dataset);

}  // namespace oddity
