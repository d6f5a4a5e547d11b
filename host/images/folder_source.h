// A folder and the folders in it as an image source.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "images/image_source.h"

namespace oddity {

/// The files of `folder` as open_images lists them, `prefix` before each path. Memory: the names in
/// the folders that lead to the current file, 8 bytes a file beside its name. Throws Error
/// where the folder cannot be opened.
std::unique_ptr<ImageSource> open_folder(const std::filesystem::path& folder, std::string prefix);

}  // namespace oddity
