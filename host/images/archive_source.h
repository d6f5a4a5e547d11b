// A tar or zip archive as an image source.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "images/archive_reader.h"
#include "images/image_file.h"
#include "images/image_source.h"

namespace oddity {

/// What an archive is read with.
struct ArchiveOptions {
  ArchiveFormat format = ArchiveFormat::tar;
  std::string prefix = {};              // before the name of each member
  size_t largest_file = kMaxImageFile;  // members of more bytes are of status too-large
};

/// The files of `archive` in its order, as they lie in it. Names are only shown: bytes as they are
/// in tar, in zip where they are not marked as UTF-8 (those are composed, NFC). As in folders,
/// names that begin with a dot, or lie in folders that do, are left out, and so is what is no file;
/// links that are called like images are entries of status unsupported. A member that is not called
/// like an image is unpacked only where it begins like one. A damaged member of a zip is a bad
/// entry; a damaged tar ends there. Memory: that of a batch, of the unpacker (xz: as much as the
/// archive asks for, up to 1 GiB), and of zip the directory, about 170 bytes a member.
/// No program is started. Throws Error where `archive` cannot be opened or its first member not
/// found.
std::unique_ptr<ImageSource> open_archive(const std::filesystem::path& archive,
                                          const ArchiveOptions& options);

}  // namespace oddity
