// An image set with what is known of each image, and the files that hold one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/pixels.h"

namespace oddity {

/// What is known of an image's label where none is.
inline constexpr int32_t kUnknownLabel = -1;

/// An image set in memory. `index` and `label` always have one entry an image. Labels serve the
/// drawing of a data set and later evaluation; training never sees them.
struct Dataset {
  ImageArray images;
  std::vector<int64_t> index;  // row of each image in the set it was drawn from
  std::vector<int32_t> label;  // kUnknownLabel where nothing is known
  /// Of each image's file, as the bytes its folder or archive gives; empty where they came from an
  /// array.
  std::vector<std::string> path;

  size_t size() const { return images.size(); }
};

/// Reads a data set, recognised by its content, not its name:
/// - IDX and gzip-compressed IDX: uint8 [N,H,W] or [N,H,W,C]
/// - NPY: uint8, uint16, float32 or float64 (→ float32), [N,H,W] or [N,H,W,C]
/// - NPZ: `images` as NPY, and where present `index` [N], `label` [N] and the paths: `path`, the
///   bytes of all, and `path_offset` [N+1], between which of them each lies
/// - pickle: one plain NumPy array of the types of NPY; nothing in it is ever executed
/// Float images must be finite and in [0,1]. Where a file holds no index it is 0, 1 … N−1.
/// Throws Error naming the file, what is wrong with it and both values.
Dataset read_dataset(const std::filesystem::path& path);

/// Reads images and their labels from a pair of IDX files (plain or gzip).
/// Throws Error where the counts differ.
Dataset read_labelled_idx(const std::filesystem::path& images, const std::filesystem::path& labels);

/// Of type, shape and pixels; rows, labels and paths do not count. "xxh3:…"
std::string fingerprint(const ImageView& images);

/// Writes NPZ (images, index, label, paths where known) or, where the suffix is .npy, the images
/// alone. The file appears whole or not at all; the same data set gives the same bytes. Throws
/// Error (also for any other suffix: check_dataset_suffix says so before the work begins).
void write_dataset(const std::filesystem::path& path, const Dataset& dataset);

/// Throws ArgumentError unless write_dataset knows the suffix; .pickle names .npz as the cure.
void check_dataset_suffix(const std::filesystem::path& path);

}  // namespace oddity
