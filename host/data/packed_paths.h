// Paths of images as two plain arrays, which every program that reads NPZ can read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace oddity {

/// The bytes of all paths one after the other; path i lies from offsets[i] to offsets[i + 1].
struct PackedPaths {
  std::string bytes;
  std::vector<int64_t> offsets;  // one more than there are paths
};

PackedPaths pack_paths(const std::vector<std::string>& paths);

/// Throws Error, beginning with `file`, where the offsets are not those of `count` paths.
std::vector<std::string> unpack_paths(const PackedPaths& packed, size_t count,
                                      std::string_view file);

}  // namespace oddity
