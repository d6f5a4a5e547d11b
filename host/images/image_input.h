// What an input of an image set is, told by its content.
#pragma once

#include <filesystem>
#include <optional>

#include "images/archive_reader.h"
#include "images/array_source.h"

namespace oddity {

enum class InputKind { folder, image, array, archive, empty };

struct ImageInput {
  InputKind kind = InputKind::empty;
  ArrayFormat array = ArrayFormat::npy;
  ArchiveFormat archive = ArchiveFormat::tar;
};

/// Throws Error where `path` is missing, cannot be opened or is of no known kind, with what it is
/// and what is accepted. A file that is called like an image is one: what is in it, if anything, is
/// for the decoder to say.
ImageInput recognise_input(const std::filesystem::path& path);

}  // namespace oddity
