// An array of images in a file as an image source.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "images/image_source.h"

namespace oddity {

enum class ArrayFormat { idx, idx_gzip, npy, npz };

/// The rows of `array` with `row_path` as their path, read in blocks; float64 becomes f32. Of NPZ
/// the arrays `images` and, where present, `label`. Memory: that of a batch. Throws Error where
/// what the headers say is not an array of images.
std::unique_ptr<ImageSource> open_array(const std::filesystem::path& array, ArrayFormat format,
                                        std::string row_path);

/// Whether the zip archive at `path` is an NPZ file of arrays: `images` among members that all end
/// in .npy, as far as one has to look. `start` is its first bytes. Throws Error where they are all
/// arrays and none is called so.
bool is_npz(const std::filesystem::path& path, std::string_view start);

}  // namespace oddity
