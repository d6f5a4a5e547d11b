// Where the images of a large set come from: read once, in a stable order, in memory that does not
// grow with their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/pixels.h"
#include "images/image_status.h"

namespace oddity {

/// One thing that a source lists: an image, or a file that may turn out to be none.
struct SourceEntry {
  std::string path;  // as tables show it, bytes as they are; empty for rows of one array
  int32_t label = -1;
  /// What it holds: a file to open and read, or `size` bytes of the batch from `offset` on.
  std::filesystem::path file;
  size_t offset = 0;
  size_t size = 0;
  /// Something already known to be wrong with it.
  ImageStatus status = ImageStatus::ok;
  std::string reason;
  /// A file that is no image, neither by its name nor by its content: nobody's row.
  bool left_out = false;
};

/// Consecutive entries of a source; kept and filled again.
struct SourceBatch {
  std::vector<SourceEntry> entries;
  std::vector<std::byte> bytes;
  /// Set where entries are raw pixels (IDX, NPY, NPZ) and not image files.
  struct Layout {
    PixelType type = PixelType::u8;
    ImageShape shape;
  };
  std::optional<Layout> raw;

  void clear();
};

/// A batch ends at whichever comes first (but holds one entry at least). Small enough for all cores
/// to have some even of a small set, large enough for handing them on to cost nothing.
struct BatchLimits {
  size_t entries = 256;  // rows of arrays and members of archives
  size_t files = 8;      // files on the disk, whose sizes are not known yet
  size_t bytes = size_t{1} << 20;
};

/// Throws Error from any method where an input as a whole cannot be opened: missing, no permission,
/// of no known kind. What breaks later (a truncated archive or array) is an entry with a status, at
/// the place where it broke, with the input's name as its path; the source goes on with the next
/// input.
class ImageSource {
 public:
  virtual ~ImageSource() = default;

  /// Replaces what is in `batch`; false at the end, with an empty batch.
  virtual bool next(SourceBatch& batch, const BatchLimits& limits) = 0;

  /// Passes over `entries` entries without reading what they hold, and gives each entry's path to
  /// `seen`. Returns how many there were: fewer than asked for only at the end.
  virtual uint64_t skip(uint64_t entries, const std::function<void(const std::string&)>& seen) = 0;

  /// From another thread: a next() that waits for somebody (standard input) returns false soon.
  virtual void stop() {}

  /// Entries in all, where that is known without reading all.
  virtual std::optional<uint64_t> total() const = 0;
  /// How much has been read, from 0 to 1, by entries or by bytes; 0 where nothing is known.
  virtual double fraction() const = 0;
};

/// How the list of paths on standard input is named among inputs.
inline constexpr const char* kStandardInput = "-";

/// The images of every input, one input after the other:
/// - a folder: its files and those of its folders, in the order of the bytes of their relative
/// paths;
///   names that begin with a dot are left out; links to folders are followed, one that leads back
///   to a folder above it is an entry of status unreadable
/// - a tar (plain, gzip, xz or zstd; WebDataset's too) or zip archive: its members in its order;
///   nothing is unpacked to the disk, names are only shown
/// - IDX, IDX.gz, NPY, NPZ (`images`): its rows, read in blocks
/// - an image file
/// - "-": paths of image files on standard input, one a line, or NUL-separated where the first
///   separator met is NUL
/// Recognised by content. `path` of an entry is relative to its input; where there are several
/// inputs, the input as given stands before it. `label` is the name of the folder an entry lies in,
/// where that is a whole number ≥ 0, and the `label` array of an NPZ.
std::unique_ptr<ImageSource> open_images(const std::vector<std::filesystem::path>& inputs);

}  // namespace oddity
