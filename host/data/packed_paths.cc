#include "data/packed_paths.h"

#include <algorithm>
#include <functional>

#include "core/error.h"

namespace oddity {

PackedPaths pack_paths(const std::vector<std::string>& paths) {
  PackedPaths packed;
  packed.offsets.reserve(paths.size() + 1);
  packed.offsets.push_back(0);
  for (const std::string& path : paths) {
    packed.bytes += path;
    packed.offsets.push_back(static_cast<int64_t>(packed.bytes.size()));
  }
  return packed;
}

std::vector<std::string> unpack_paths(const PackedPaths& packed, size_t count,
                                      std::string_view file) {
  const std::vector<int64_t>& offsets = packed.offsets;
  if (offsets.size() != count + 1) {
    throw Error("{}: path_offset has {} entries, there are {} images: save one more than images",
                file, offsets.size(), count);
  }
  if (offsets.front() != 0 || offsets.back() != static_cast<int64_t>(packed.bytes.size())) {
    throw Error("{}: path_offset goes from {} to {}, path has {} bytes: save 0 to that", file,
                offsets.front(), offsets.back(), packed.bytes.size());
  }
  const auto fall = std::adjacent_find(offsets.begin(), offsets.end(), std::greater<>());
  if (fall != offsets.end()) {
    throw Error("{}: path_offset falls from {} to {} at entry {}: save where each path begins",
                file, fall[0], fall[1], fall - offsets.begin());
  }
  std::vector<std::string> paths;
  paths.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const auto begin = static_cast<size_t>(offsets[i]);
    paths.push_back(packed.bytes.substr(begin, static_cast<size_t>(offsets[i + 1]) - begin));
  }
  return paths;
}

}  // namespace oddity
