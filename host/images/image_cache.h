// Decoded and preprocessed images in one file: the second pass over a set reads it as fast as the
// disk gives it, and touches no image file.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/shape.h"
#include "images/image_stream.h"
#include "images/preprocessing.h"

namespace oddity {

/// What a cache is of, as text: the inputs, the preprocessing, the shape (none: that of the first
/// good image). Of an input that is a
/// file, size and time of change; of a folder, path, size and time of every file in it, which takes
/// a walk through it. Throws Error where an input is not there, ArgumentError for standard input,
/// which nothing can be compared with.
std::string cache_identity(const std::vector<std::filesystem::path>& inputs,
                           const Preprocessing& preprocessing,
                           const std::optional<ImageShape>& shape);

/// What a file that is meant to be a cache is.
enum class CacheState { missing, current, outdated };
/// Throws Error where there is a file which is no cache: it is not for us to replace.
CacheState cache_state(const std::filesystem::path& path, const std::string& identity);

/// The images of a cache, from `start` on. Throws Error where it is damaged, or `start` is not
/// where one of its batches ends.
std::unique_ptr<ImageStream> open_cache(const std::filesystem::path& path,
                                        const SourcePosition& start);

/// Passes on what `stream` gives, from its first image on, and writes it down. The file appears
/// once `stream` has ended, whole or not at all. Throws Error where it holds no image at all.
///
/// Layout, little-endian: "ODDITYC1", u32 length and text of the identity, u32 height, width,
/// channels, u64 XXH3 of all these; then a block a batch: u64 bytes of the payload, u32 rows, u32
/// images, u32 left out, u8 pixel type, u8 last, f64 fraction, u64 entries, u64 paths, u64 XXH3 of
/// these, the payload, u64 XXH3 of the payload. Payload: a row after the other (u8 status, i32
/// label, u32 length and text of path and of reason), then the pixels.
std::unique_ptr<ImageStream> write_cache(const std::filesystem::path& path,
                                         const std::string& identity,
                                         std::unique_ptr<ImageStream> stream);

}  // namespace oddity
