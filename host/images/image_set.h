// A set that streams past, gathered in memory: what training learns from.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "data/dataset.h"
#include "images/image_status.h"
#include "images/image_stream.h"

namespace oddity {

struct ImageSet {
  /// The images that are ok. `index` is the row each has in the stream, bad ones counted; `path` is
  /// empty where no row has one.
  Dataset dataset;
  std::array<uint64_t, kImageStatuses> statuses{};  // rows, by ImageStatus
  std::vector<ImageRow> bad;  // those that are not ok, the first of each status, in their order
  uint64_t left_out = 0;      // files that are no images, neither by name nor by content

  uint64_t rows() const;
  uint64_t bad_rows() const { return rows() - statuses[0]; }
};

/// Bad rows of one status that an ImageSet keeps.
inline constexpr size_t kKeptBadRows = 20;

/// Reads `stream` to its end. `watch` is called after every batch and every tenth of a second while
/// nothing comes; it may throw. Throws Error where the images do not fit into memory.
ImageSet read_image_set(ImageStream& stream,
                        const std::function<void(const ImageSet& so_far, double fraction)>& watch);

}  // namespace oddity
