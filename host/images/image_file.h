// PNG, JPEG and TIFF files as images, recognised by their content.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/shape.h"
#include "data/pixels.h"
#include "images/image_status.h"

namespace oddity {

/// One image, [H,W,C], in the type it was stored in. Kept and filled again: its memory grows to
/// that of the largest image and stays.
struct Image {
  PixelType type = PixelType::u8;
  ImageShape shape;
  std::vector<std::byte> pixels;

  /// Makes room for shape.size() numbers of `type`; what they are is undefined.
  void reset(PixelType new_type, const ImageShape& new_shape);
  ImageView view() const { return {pixels.data(), type, shape, 1}; }
};

/// What a file is by its first bytes. Those that are not read are known by name, so that a row can
/// say what they are.
enum class ImageFormat { png, jpeg, tiff, gif, bmp, webp, heif, jpeg2000 };
/// So many bytes of a file are enough to recognise it.
inline constexpr size_t kImageFormatPrefix = 16;
std::optional<ImageFormat> image_format(std::string_view start);
/// "PNG", "JPEG" …
std::string_view name_of(ImageFormat format);

/// Whether a name ends as those of image files do (.png, .jpg, .tif, .webp …, in any case): a file
/// that is called so and is no image is a bad one; one that is neither is none of ours.
bool has_image_suffix(std::string_view path);

/// More numbers than this in one image, or bytes in one file, are not read: 89 megapixels of RGB.
inline constexpr int64_t kMaxImageNumbers = int64_t{1} << 28;
inline constexpr size_t kMaxImageFile = size_t{1} << 28;

/// What is to be done with an image after it is decoded, where a decoder can save work by knowing.
struct DecodeHints {
  /// JPEG: only the luma (ITU-R BT.601, full range), one channel.
  bool gray = false;
  /// JPEG: may be decoded at 1/2, 1/4 or 1/8 as long as neither extent (after orientation) falls
  /// below these; 0: at full size.
  int64_t least_width = 0;
  int64_t least_height = 0;
};

/// Decodes image files; one a thread.
class ImageDecoder {
 public:
  ImageDecoder();
  ~ImageDecoder();
  ImageDecoder(const ImageDecoder&) = delete;
  ImageDecoder& operator=(const ImageDecoder&) = delete;

  /// The image in `file` (a whole file in memory), upright: EXIF orientation (JPEG, PNG) and TIFF's
  /// are applied. Kept as stored: grey stays one channel, 16 bits stay u16, float TIFF is f32 and
  /// must be finite and in [0,1]. Grey of 1, 2 or 4 bits becomes u8 over its whole range; palettes
  /// become RGB. An alpha channel that is opaque throughout is left out; any other is unsupported,
  /// as nothing says what lies behind. Of a file of many images (animated PNG, TIFF pages) the
  /// first: PNG by its specification; TIFF of more than one page is unsupported. Throws ImageError;
  /// `image` is then undefined.
  void decode(std::string_view file, const DecodeHints& hints, Image& image);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace oddity
