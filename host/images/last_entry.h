// What a source says where it breaks: an entry behind those that are whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "images/image_source.h"

namespace oddity {

/// Adds the entry to a batch that has room for it.
inline void give_last(std::optional<SourceEntry>& last, SourceBatch& batch, size_t most) {
  if (!last || batch.entries.size() >= most) return;
  batch.entries.push_back(std::move(*last));
  last.reset();
}

/// Passes over the entry where it is one of `entries`, of which `skipped` were passed before it.
/// Returns how many that makes.
inline uint64_t skip_last(std::optional<SourceEntry>& last, uint64_t skipped, uint64_t entries,
                          const std::function<void(const std::string&)>& seen) {
  if (!last || skipped >= entries) return skipped;
  seen(last->path);
  last.reset();
  return skipped + 1;
}

}  // namespace oddity
