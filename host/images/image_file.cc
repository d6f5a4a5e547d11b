#include "images/image_file.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/text.h"
#include "images/decoding.h"
#include "images/jpeg_image.h"
#include "images/png_image.h"
#include "images/tiff_image.h"

namespace oddity {
namespace {

using namespace std::string_view_literals;

/// Windows bitmaps begin with two letters, as much else does; four bytes that are always 0 follow.
bool is_bitmap(std::string_view start) {
  return start.size() >= 10 && start.starts_with("BM"sv) && start.substr(6, 4) == "\0\0\0\0"sv;
}

/// The brands of ISO/IEC 23008-12 and of AVIF: still pictures in the container of MP4.
bool is_heif(std::string_view start) {
  if (start.size() < 12 || start.substr(4, 4) != "ftyp"sv) return false;
  constexpr auto kBrands = std::to_array<std::string_view>(
      {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "avif", "avis"});
  return std::find(kBrands.begin(), kBrands.end(), start.substr(8, 4)) != kBrands.end();
}

bool is_tiff(std::string_view start) {
  return start.starts_with("II*\0"sv) || start.starts_with("MM\0*"sv) ||
         start.starts_with("II+\0"sv) || start.starts_with("MM\0+"sv);
}

bool is_jpeg2000(std::string_view start) {
  return start.starts_with("\0\0\0\x0cjP  \r\n\x87\n"sv) || start.starts_with("\xff\x4f\xff\x51"sv);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

void Image::reset(PixelType new_type, const ImageShape& new_shape) {
  type = new_type;
  shape = new_shape;
  pixels.resize(static_cast<size_t>(shape.size()) * size_of(type));
}

std::optional<ImageFormat> image_format(std::string_view start) {
  // Four bytes, not all eight: one that was copied as text is a damaged PNG.
  if (start.starts_with("\x89PNG"sv)) return ImageFormat::png;
  if (start.starts_with("\xff\xd8\xff"sv)) return ImageFormat::jpeg;
  if (is_tiff(start)) return ImageFormat::tiff;
  if (start.starts_with("GIF87a"sv) || start.starts_with("GIF89a"sv)) return ImageFormat::gif;
  if (is_bitmap(start)) return ImageFormat::bmp;
  if (start.starts_with("RIFF"sv) && start.size() >= 12 && start.substr(8, 4) == "WEBP"sv) {
    return ImageFormat::webp;
  }
  if (is_heif(start)) return ImageFormat::heif;
  if (is_jpeg2000(start)) return ImageFormat::jpeg2000;
  return std::nullopt;
}

std::string_view name_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::png:
      return "PNG";
    case ImageFormat::jpeg:
      return "JPEG";
    case ImageFormat::tiff:
      return "TIFF";
    case ImageFormat::gif:
      return "GIF";
    case ImageFormat::bmp:
      return "BMP";
    case ImageFormat::webp:
      return "WebP";
    case ImageFormat::heif:
      return "HEIF";
    case ImageFormat::jpeg2000:
      return "JPEG 2000";
  }
  return "unknown";
}

bool has_image_suffix(std::string_view path) {
  constexpr auto kSuffixes = std::to_array<std::string_view>(
      {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".gif", ".bmp", ".dib",
       ".webp", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jpf", ".jpx"});
  return std::any_of(kSuffixes.begin(), kSuffixes.end(), [path](std::string_view suffix) {
    if (path.size() < suffix.size()) return false;
    const std::string_view end = path.substr(path.size() - suffix.size());
    return std::equal(end.begin(), end.end(), suffix.begin(),
                      [](char a, char b) { return lower(a) == b; });
  });
}

/// Memory that is used again for each image.
struct ImageDecoder::State {
  PngMemory png;
  std::vector<std::byte> block;
  std::vector<std::byte> turned;
};

ImageDecoder::ImageDecoder() : state_(std::make_unique<State>()) {}
ImageDecoder::~ImageDecoder() = default;

void ImageDecoder::decode(std::string_view file, const DecodeHints& hints, Image& image) {
  if (file.empty()) throw ImageError(ImageStatus::truncated, "the file is empty");
  if (file.size() > kMaxImageFile) {
    throw ImageError(ImageStatus::too_large, "{} bytes: files of more than {} are not read",
                     file.size(), kMaxImageFile);
  }
  const auto format = image_format(file.substr(0, kImageFormatPrefix));
  if (!format) {
    throw ImageError(ImageStatus::not_an_image, "neither PNG, JPEG nor TIFF: it begins with \"{}\"",
                     printable(file.substr(0, kImageFormatPrefix)));
  }
  Orientation orientation = kUpright;
  switch (*format) {
    case ImageFormat::png:
      orientation = decode_png(file, image, state_->png);
      break;
    case ImageFormat::jpeg:
      orientation = decode_jpeg(file, hints, image);
      break;
    case ImageFormat::tiff:
      orientation = decode_tiff(file, image, state_->block);
      break;
    default:
      throw ImageError(ImageStatus::unsupported, "{}: convert it to PNG", name_of(*format));
  }
  turn_upright(image, orientation, state_->turned);
}

}  // namespace oddity
