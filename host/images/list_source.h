// Image files that are named one by one.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "images/image_source.h"

namespace oddity {

/// A longer path is an error: the list is no list.
inline constexpr size_t kMaxListedPath = 65536;

/// The image files that the text read from `descriptor` (which stays open) lists as open_images
/// says. Read as it comes: a batch holds what is there. Empty lines are left out. Throws Error,
/// also from next(), where reading fails or a path is longer than kMaxListedPath.
std::unique_ptr<ImageSource> open_list(int descriptor);

/// `files`, each under the path given.
std::unique_ptr<ImageSource> open_files(std::vector<std::filesystem::path> files);

}  // namespace oddity
