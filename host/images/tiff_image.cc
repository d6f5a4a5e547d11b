#include "images/tiff_image.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "core/text.h"
#include "data/byte_source.h"
#include "images/tiff_file.h"

namespace oddity {
namespace {

/// What the directory says of the pixels.
struct Layout {
  int64_t width = 0;
  int64_t height = 0;
  int64_t samples = 0;  // numbers of a pixel
  int64_t colours = 0;  // those of them that are colours, or the index of one
  int bits = 0;
  int format = 0;
  int photometric = 0;
  int compression = 0;
  bool separate = false;  // each channel by itself

  bool palette() const { return photometric == PHOTOMETRIC_PALETTE; }
  bool grey() const {
    return photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
  }
};

/// Strips or tiles: where they lie and how large they are when unpacked.
struct Blocks {
  bool tiled = false;
  int64_t width = 0;
  int64_t height = 0;
  uint64_t row_bytes = 0;
  uint64_t bytes = 0;
  uint64_t total_bytes = 0;
};

std::string_view name_of_format(int format) {
  switch (format) {
    case SAMPLEFORMAT_UINT:
      return "unsigned integers";
    case SAMPLEFORMAT_INT:
      return "signed integers";
    case SAMPLEFORMAT_IEEEFP:
      return "floats";
    case SAMPLEFORMAT_COMPLEXINT:
    case SAMPLEFORMAT_COMPLEXIEEEFP:
      return "complex numbers";
    default:
      return "untyped data";
  }
}

/// Channels that are colours. Throws ImageError (unsupported) for any but grey, RGB and palettes.
int64_t colours_of(const Layout& layout) {
  const auto refuse = [](std::string_view what) {
    throw ImageError(ImageStatus::unsupported, "{} TIFF: convert it to RGB", what);
  };
  switch (layout.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE:
      return 1;
    case PHOTOMETRIC_RGB:
      return 3;
    case PHOTOMETRIC_YCBCR:  // only JPEG's, which libtiff turns into RGB
      if (layout.compression != COMPRESSION_JPEG || layout.separate) refuse("YCbCr");
      return 3;
    case PHOTOMETRIC_SEPARATED:
      refuse("CMYK");
      break;
    case PHOTOMETRIC_CIELAB:
    case PHOTOMETRIC_ICCLAB:
    case PHOTOMETRIC_ITULAB:
      refuse("CIE Lab");
      break;
    case PHOTOMETRIC_CFA:
      refuse("raw sensor");
      break;
    default:
      break;
  }
  throw ImageError(ImageStatus::unsupported,
                   "TIFF of photometric interpretation {}: convert it to grey or RGB",
                   layout.photometric);
}

/// Throws ImageError (unsupported) where the numbers are of a kind that is not read.
void check_samples(const Layout& layout) {
  const bool integers = layout.format == SAMPLEFORMAT_UINT;
  const bool floats = layout.format == SAMPLEFORMAT_IEEEFP;
  const bool whole =
      (integers && (layout.bits == 8 || layout.bits == 16)) || (floats && layout.bits == 32);
  const bool packed = integers && (layout.bits == 1 || layout.bits == 2 || layout.bits == 4);
  const int64_t extra = layout.samples - layout.colours;
  const bool single = layout.samples == 1;
  bool good = false;
  if (layout.palette()) {
    good = single && (packed || (integers && layout.bits == 8));
  } else {
    good = (whole && (extra == 0 || extra == 1)) || (packed && single);
  }
  if (good) return;
  throw ImageError(ImageStatus::unsupported,
                   "TIFF of {} channel{} of {}-bit {}: save it as grey or RGB of uint8, uint16 or "
                   "float32",
                   layout.samples, layout.samples == 1 ? "" : "s", layout.bits,
                   name_of_format(layout.format));
}

Layout layout_of(const TiffFile& file) {
  Layout layout;
  layout.width = file.u32(TIFFTAG_IMAGEWIDTH);
  layout.height = file.u32(TIFFTAG_IMAGELENGTH);
  layout.samples = file.u16(TIFFTAG_SAMPLESPERPIXEL);
  layout.bits = file.u16(TIFFTAG_BITSPERSAMPLE);
  layout.format = file.u16(TIFFTAG_SAMPLEFORMAT);
  layout.compression = file.u16(TIFFTAG_COMPRESSION);
  layout.separate = file.u16(TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE && layout.samples > 1;
  uint16_t photometric = 0;
  if (TIFFGetField(file.handle(), TIFFTAG_PHOTOMETRIC, &photometric) == 0) {
    throw ImageError(ImageStatus::unsupported,
                     "TIFF that does not say what its numbers stand for (tag 262): save it again");
  }
  layout.photometric = photometric;
  layout.colours = colours_of(layout);
  check_samples(layout);
  return layout;
}

/// Bytes of pixels that one byte of a file can stand for; 0 where the compression is not read.
uint64_t ratio_of(int compression, const Blocks& blocks) {
  switch (compression) {
    case COMPRESSION_NONE:
      return 1;
    case COMPRESSION_PACKBITS:
      return 64;  // two bytes: 128 equal ones
    case COMPRESSION_LZW:
      return 4096;  // a code of 12 bits at most: a string of fewer bytes than there are codes
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
      return kDeflateRatio;
    case COMPRESSION_JPEG:
      return 2048;  // eight blocks of 64 numbers, in a third of what is made of them
    case COMPRESSION_ZSTD:
      return 1 << 16;  // four bytes: a block of 128 KiB
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTRLEW:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
      return 8 * std::max<uint64_t>(blocks.row_bytes, 1);  // one bit: a row like the one above
    default:
      return 0;
  }
}

/// Throws ImageError before anything is allocated that the file's bytes cannot fill.
Blocks blocks_of(const TiffFile& file, const Layout& layout, const ImageShape& shape) {
  TIFF* const tiff = file.handle();
  Blocks blocks;
  blocks.tiled = TIFFIsTiled(tiff) != 0;
  uint64_t count = 0;
  if (blocks.tiled) {
    blocks.width = file.u32(TIFFTAG_TILEWIDTH);
    blocks.height = file.u32(TIFFTAG_TILELENGTH);
    blocks.row_bytes = TIFFTileRowSize64(tiff);
    count = TIFFNumberOfTiles(tiff);
  } else {
    blocks.width = layout.width;
    blocks.height = std::min<int64_t>(file.u32(TIFFTAG_ROWSPERSTRIP), layout.height);
    blocks.row_bytes = TIFFScanlineSize64(tiff);
    count = TIFFNumberOfStrips(tiff);
  }
  file.check();
  // A tile may be larger than its image, but not than what is read at all.
  const ImageShape block = checked_shape(blocks.width, blocks.height, layout.samples);
  const auto numbers = static_cast<uint64_t>(block.width) * (layout.separate ? 1 : block.channels);
  if (blocks.row_bytes != (numbers * layout.bits + 7) / 8 || count == 0) file.fail();
  blocks.bytes = blocks.row_bytes * static_cast<uint64_t>(blocks.height);
  blocks.total_bytes =
      blocks.tiled
          ? count * blocks.bytes
          : blocks.row_bytes *
                static_cast<uint64_t>(layout.height * (layout.separate ? layout.samples : 1));
  const uint64_t ratio = ratio_of(layout.compression, blocks);
  if (ratio == 0 || TIFFIsCODECConfigured(static_cast<uint16_t>(layout.compression)) == 0) {
    throw ImageError(ImageStatus::unsupported,
                     "TIFF of compression {}: save it without, or with deflate or LZW",
                     layout.compression);
  }
  check_packed_size(shape, blocks.total_bytes, file.size(), ratio);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t begin = TIFFGetStrileOffset(tiff, static_cast<uint32_t>(i));
    const uint64_t size = TIFFGetStrileByteCount(tiff, static_cast<uint32_t>(i));
    if (begin <= file.size() && size <= file.size() - begin) continue;
    throw ImageError(ImageStatus::truncated, "TIFF of {} bytes names pixels of {} bytes at byte {}",
                     file.size(), size, begin);
  }
  return blocks;
}

/// Puts the numbers of blocks where they belong.
class Unpacker {
 public:
  Unpacker(const TiffFile& file, const Layout& layout, Image& image)
      : layout_(layout), image_(image) {
    if (layout.palette()) {
      read_palette(file);
    } else if (layout.bits < 8) {
      // 0 … 2^bits−1 over the range of a byte.
      const int largest = (1 << layout.bits) - 1;
      for (int i = 0; i <= largest; ++i) table_[i][0] = static_cast<uint8_t>(255 / largest * i);
    }
  }

  /// A row of `width` pixels, or of their number `plane` where channels are separate, to (y,x).
  void row(const std::byte* in, int64_t y, int64_t x, int64_t width, int64_t plane) const {
    const auto channels = static_cast<size_t>(image_.shape.channels);
    const size_t number = size_of(image_.type);
    std::byte* out = image_.pixels.data() +
                     (static_cast<size_t>(y * image_.shape.width + x) * channels + plane) * number;
    if (layout_.palette() || layout_.bits < 8) {
      for (int64_t i = 0; i < width; ++i) {
        std::memcpy(out + i * channels, table_[packed(in, i)], channels);
      }
    } else if (layout_.separate) {
      for (int64_t i = 0; i < width; ++i) {
        std::memcpy(out + i * channels * number, in + i * number, number);
      }
    } else {
      std::memcpy(out, in, static_cast<size_t>(width) * channels * number);
    }
  }

 private:
  /// Number `i` of a row, the first in the highest bits.
  size_t packed(const std::byte* in, int64_t i) const {
    const int per_byte = 8 / layout_.bits;
    const int shift = 8 - layout_.bits * (1 + static_cast<int>(i % per_byte));
    return std::to_integer<size_t>(in[i / per_byte]) >> shift & ((size_t{1} << layout_.bits) - 1);
  }

  void read_palette(const TiffFile& file) {
    uint16_t* maps[3] = {};
    if (TIFFGetField(file.handle(), TIFFTAG_COLORMAP, &maps[0], &maps[1], &maps[2]) == 0) {
      throw ImageError(ImageStatus::unreadable, "damaged TIFF: no palette");
    }
    const int colours = 1 << layout_.bits;
    // Some writers put bytes where 16 bits belong.
    const bool bytes = std::all_of(maps, maps + 3, [colours](const uint16_t* map) {
      return std::all_of(map, map + colours, [](uint16_t value) { return value < 256; });
    });
    for (int i = 0; i < colours; ++i) {
      for (int c = 0; c < 3; ++c) {
        table_[i][c] = static_cast<uint8_t>(bytes ? maps[c][i] : maps[c][i] >> 8);
      }
    }
  }

  const Layout& layout_;
  Image& image_;
  uint8_t table_[256][3] = {};  // what a packed number or an index stands for
};

void read_blocks(const TiffFile& file, const Layout& layout, const Blocks& blocks, Image& image,
                 std::vector<std::byte>& scratch) {
  TIFF* const tiff = file.handle();
  const Unpacker unpacker(file, layout, image);
  // Zeros: no decoder leaves what another image put there.
  scratch.assign(blocks.bytes, std::byte{0});
  const int64_t planes = layout.separate ? layout.samples : 1;
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t y = 0; y < layout.height; y += blocks.height) {
      const int64_t rows = std::min(blocks.height, layout.height - y);
      for (int64_t x = 0; x < layout.width; x += blocks.width) {
        const auto row = static_cast<uint32_t>(y);
        const auto sample = static_cast<uint16_t>(plane);
        const auto size = static_cast<tmsize_t>(
            blocks.tiled ? blocks.bytes : blocks.row_bytes * static_cast<uint64_t>(rows));
        const tmsize_t got =
            blocks.tiled
                ? TIFFReadEncodedTile(
                      tiff, TIFFComputeTile(tiff, static_cast<uint32_t>(x), row, 0, sample),
                      scratch.data(), size)
                : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, row, sample), scratch.data(),
                                       size);
        file.check();
        if (got != size) file.fail();
        const int64_t columns = std::min(blocks.width, layout.width - x);
        for (int64_t i = 0; i < rows; ++i) {
          unpacker.row(scratch.data() + static_cast<uint64_t>(i) * blocks.row_bytes, y + i, x,
                       columns, plane);
        }
      }
    }
  }
}

template <typename T>
void invert(Image& image, T white) {
  const auto numbers = static_cast<size_t>(image.shape.size());
  for (size_t i = 0; i < numbers; ++i) {
    std::byte* at = image.pixels.data() + i * sizeof(T);
    T value;
    std::memcpy(&value, at, sizeof value);
    value = static_cast<T>(white - value);
    std::memcpy(at, &value, sizeof value);
  }
}

void invert(Image& image) {
  switch (image.type) {
    case PixelType::u8:
      return invert<uint8_t>(image, std::numeric_limits<uint8_t>::max());
    case PixelType::u16:
      return invert<uint16_t>(image, std::numeric_limits<uint16_t>::max());
    case PixelType::f32:
      return invert<float>(image, 1);
  }
}

void check_floats(const Image& image) {
  if (image.type != PixelType::f32) return;
  const auto numbers = static_cast<size_t>(image.shape.size());
  for (size_t i = 0; i < numbers; ++i) {
    float value;
    std::memcpy(&value, image.pixels.data() + i * sizeof value, sizeof value);
    if (value >= 0 && value <= 1) continue;  // false for NaN
    throw ImageError(ImageStatus::not_finite,
                     "holds {}: floats must be in [0,1]: divide them by their largest value, or "
                     "save uint8 or uint16",
                     shortest(value));
  }
}

}  // namespace

Orientation decode_tiff(std::string_view file_bytes, Image& image,
                        std::vector<std::byte>& scratch) {
  const TiffFile file(file_bytes);
  if (TIFFLastDirectory(file.handle()) == 0) {
    const auto pages = TIFFNumberOfDirectories(file.handle());
    if (pages < 2) {
      throw ImageError(ImageStatus::unreadable,
                       "damaged TIFF: its first page is not its last, and "
                       "there is no other");
    }
    throw ImageError(ImageStatus::unsupported, "TIFF of {} pages: save each as a file of its own",
                     pages);
  }
  const Layout layout = layout_of(file);
  if (layout.photometric == PHOTOMETRIC_YCBCR) {
    TIFFSetField(file.handle(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  }
  const ImageShape shape =
      checked_shape(layout.width, layout.height, layout.palette() ? 3 : layout.samples);
  const Blocks blocks = blocks_of(file, layout, shape);
  const PixelType type = layout.bits == 32   ? PixelType::f32
                         : layout.bits == 16 ? PixelType::u16
                                             : PixelType::u8;
  image.reset(type, shape);
  read_blocks(file, layout, blocks, image, scratch);
  if (layout.samples > layout.colours) drop_opaque_alpha(image, layout.colours);
  if (layout.photometric == PHOTOMETRIC_MINISWHITE) invert(image);
  check_floats(image);
  return file.u16(TIFFTAG_ORIENTATION);
}

}  // namespace oddity
