// Some of a source's entries, for looking at a few images of a large set once more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>

#include "images/image_source.h"

namespace oddity {

/// Which entries: those of these paths and, of entries without paths (rows of one array), those at
/// these places, counted from 0. Several entries may have one path.
struct WantedEntries {
  std::unordered_set<std::string> paths;
  std::unordered_set<uint64_t> places;
};

/// `source` without its other entries: their files are not opened, their members not decoded.
std::unique_ptr<ImageSource> select_entries(std::unique_ptr<ImageSource> source,
                                            WantedEntries wanted);

}  // namespace oddity
