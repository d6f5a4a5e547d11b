#include "images/image_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "data/byte_source.h"
#include "data/idx.h"
#include "data/numpy_array.h"
#include "files/zip.h"
#include "images/image_file.h"

namespace oddity {
namespace {

using namespace std::string_view_literals;

constexpr size_t kTarBlock = 512;

constexpr std::string_view kXz =
    "\xfd"
    "7zXZ\0"sv;
constexpr std::string_view kZstd = "\x28\xb5\x2f\xfd"sv;

/// What is sometimes given instead, and the cure.
struct Stranger {
  std::string_view start;
  std::string_view name;
};
constexpr std::array kStrangers{
    Stranger{"\x89HDF\r\n\x1a\n"sv, "HDF5, which holds models: give it as --model"},
    Stranger{"BZh"sv, "packed with bzip2: pack it with gzip, xz or zstd"},
    Stranger{"7z\xbc\xaf\x27\x1c"sv, "a 7-Zip archive: unpack it, or make a zip or tar of it"},
    Stranger{"Rar!"sv, "a RAR archive: unpack it, or make a zip or tar of it"},
    Stranger{"\x80\2"sv, "a pickle: save the array as NPY or NPZ"},
    Stranger{"\x80\3"sv, "a pickle: save the array as NPY or NPZ"},
    Stranger{"\x80\4"sv, "a pickle: save the array as NPY or NPZ"},
    Stranger{"\x80\5"sv, "a pickle: save the array as NPY or NPZ"},
    Stranger{"%PDF"sv, "a PDF document: save its images as PNG"},
};

/// Whether a block is the header of a tar's member, by its checksum, or begins the mark at the end
/// of an empty tar (POSIX, pax: the ustar format).
bool is_tar(std::string_view block) {
  if (block.size() < kTarBlock) return false;
  block = block.substr(0, kTarBlock);
  if (block.find_first_not_of('\0') == block.npos) return true;
  constexpr size_t kChecksumAt = 148;
  constexpr size_t kChecksumSize = 8;
  int64_t declared = 0;
  bool has_digit = false;
  for (const char c : block.substr(kChecksumAt, kChecksumSize)) {
    if (c >= '0' && c <= '7') {
      declared = declared * 8 + (c - '0');
      has_digit = true;
    } else if (has_digit || c != ' ') {
      break;
    }
  }
  int64_t sum = 0;         // of unsigned bytes, as the standard has it
  int64_t signed_sum = 0;  // as old programs did
  for (size_t i = 0; i < kTarBlock; ++i) {
    const bool is_checksum = i >= kChecksumAt && i < kChecksumAt + kChecksumSize;
    const char byte = is_checksum ? ' ' : block[i];
    sum += static_cast<unsigned char>(byte);
    signed_sum += static_cast<signed char>(byte);
  }
  return has_digit && (declared == sum || declared == signed_sum);
}

[[noreturn]] void refuse(const std::string& name, std::string_view start, std::string_view packed) {
  std::string found =
      start.empty() ? "empty" : fmt::format("it begins with '{}'", printable(start.substr(0, 8)));
  for (const Stranger& stranger : kStrangers) {
    if (start.starts_with(stranger.start)) found = stranger.name;
  }
  throw Error(
      "{}: no images: {}{} (accepted are folders, image files, tar and zip archives, IDX, NPY and "
      "NPZ)",
      name, packed, found);
}

}  // namespace

ImageInput recognise_input(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
      throw Error("{}: the folder cannot be opened: {}", printable(path),
                  std::generic_category().message(errno));
    }
    ::close(descriptor);
    return {.kind = InputKind::folder};
  }
  auto file = open_file(path);
  const std::string start = read_up_to(*file, kTarBlock);
  const auto begins = [&](std::string_view magic) { return start.starts_with(magic); };
  const auto array = [](ArrayFormat format) {
    return ImageInput{.kind = InputKind::array, .array = format};
  };
  const auto archive = [](ArchiveFormat format) {
    return ImageInput{.kind = InputKind::archive, .archive = format};
  };

  if (image_format(std::string_view(start).substr(0, kImageFormatPrefix))) {
    return {.kind = InputKind::image};
  }
  if (is_npy(start)) return array(ArrayFormat::npy);
  if (is_empty_zip(start)) return {.kind = InputKind::empty};
  if (is_zip(start)) {
    return is_npz(path, start) ? array(ArrayFormat::npz) : archive(ArchiveFormat::zip);
  }
  if (begins(kXz)) return archive(ArchiveFormat::tar_xz);
  if (begins(kZstd)) return archive(ArchiveFormat::tar_zstd);
  if (is_idx(start)) return array(ArrayFormat::idx);
  if (is_tar(start)) return archive(ArchiveFormat::tar);
  if (has_image_suffix(path.native())) return {.kind = InputKind::image};
  if (is_gzip(start)) {
    const auto unpacked = unpack_gzip(prepend(start, std::move(file)));
    const std::string inner = read_up_to(*unpacked, kTarBlock);
    if (is_idx(inner)) return array(ArrayFormat::idx_gzip);
    if (is_tar(inner)) return archive(ArchiveFormat::tar_gzip);
    refuse(printable(path), inner, "packed with gzip: ");
  }
  refuse(printable(path), start, "");
}

}  // namespace oddity
