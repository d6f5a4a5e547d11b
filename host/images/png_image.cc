#include "images/png_image.h"

#include <libdeflate.h>
#include <spng.h>

#include <memory>
#include <new>

#include "data/byte_source.h"
#include "images/exif.h"

namespace oddity {
namespace {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
constexpr size_t kChunkFrame = 12;  // length, type and checksum
constexpr uint32_t kMaxChunk = 0x7fffffff;
constexpr uint32_t kHeader = 13;  // bytes of IHDR

uint32_t big_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

/// The chunks that an image is made of. libspng sees no others: it would unpack texts and colour
/// profiles to whatever size they have.
struct Chunks {
  std::string_view essential;
  std::string_view exif;
  std::string_view packed;    // what the first IDAT chunk holds: pixels, compressed
  uint64_t packed_bytes = 0;  // of all of them
  bool is_split = false;      // there are more than one
  bool has_transparency = false;
  /// Nothing but what every PNG has, whole and in order.
  bool is_plain = true;
};

bool is_name(std::string_view type) {
  for (const char c : type) {
    if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z')) return false;
  }
  return true;
}

/// Whether a chunk, its frame included, holds what its checksum says.
bool is_whole(std::string_view chunk) {
  const std::string_view checked = chunk.substr(4, chunk.size() - 8);
  return libdeflate_crc32(0, checked.data(), checked.size()) ==
         big_endian(chunk.substr(chunk.size() - 4));
}

/// Throws ImageError (unreadable) where a chunk that libspng does not see is damaged.
void check_checksum(std::string_view chunk) {
  if (is_whole(chunk)) return;
  throw ImageError(ImageStatus::unreadable, "damaged PNG: wrong checksum of its chunk {}",
                   chunk.substr(4, 4));
}

/// Throws ImageError (truncated, unreadable) where the file is no whole row of chunks. What it
/// finds lies in `file` or, where something had to be left out, in `scratch`.
Chunks find_chunks(std::string_view file, std::string& scratch) {
  if (!file.starts_with(kSignature)) {
    const bool cut = kSignature.starts_with(file);
    throw ImageError(cut ? ImageStatus::truncated : ImageStatus::unreadable,
                     "{}: its first bytes are not those of a PNG", cut ? "cut off" : "damaged");
  }
  Chunks chunks;
  bool filtered = false;
  bool is_first = true;
  std::string_view last;  // type of the chunk before
  size_t copied = 0;      // bytes of `file` that are in `scratch`, or were left out of it
  const auto leave_out = [&](size_t begin, size_t size) {
    if (!filtered) scratch.clear();
    filtered = true;
    scratch.append(file, copied, begin - copied);
    copied = begin + size;
  };
  for (size_t at = kSignature.size();;) {
    if (file.size() - at < kChunkFrame) {
      throw ImageError(ImageStatus::truncated, "ends at byte {}, before its last chunk (IEND)",
                       file.size());
    }
    const uint32_t length = big_endian(file.substr(at, 4));
    const std::string_view type = file.substr(at + 4, 4);
    if (length > kMaxChunk || !is_name(type)) {
      throw ImageError(ImageStatus::unreadable, "damaged: no PNG chunk at byte {}", at);
    }
    const size_t size = length + kChunkFrame;
    if (size > file.size() - at) {
      throw ImageError(ImageStatus::truncated, "ends at byte {} in its chunk {} of {} bytes",
                       file.size(), type, length);
    }
    const bool critical = (type[0] & 0x20) == 0;
    if (critical && !(is_first ? type == "IHDR" && length == kHeader
                               : type == "IDAT" || (type == "IEND" && length == 0))) {
      chunks.is_plain = false;
    }
    if (critical) chunks.is_plain = chunks.is_plain && is_whole(file.substr(at, size));
    if (type == "IDAT") {
      if (chunks.packed_bytes > 0 && last != type) chunks.is_plain = false;
      if (chunks.packed_bytes == 0) chunks.packed = file.substr(at + 8, length);
      chunks.is_split = chunks.is_split || chunks.packed_bytes > 0;
      chunks.packed_bytes += length;
    }
    if (type == "tRNS") chunks.has_transparency = true;
    if (type == "eXIf" && chunks.exif.empty()) chunks.exif = file.substr(at + 8, length);
    if (!critical && type != "tRNS") {
      check_checksum(file.substr(at, size));
      leave_out(at, size);
    }
    at += size;
    is_first = false;
    last = type;
    if (type != "IEND") continue;
    if (filtered) scratch.append(file, copied, at - copied);
    chunks.essential = filtered ? std::string_view(scratch) : file.substr(0, at);
    return chunks;
  }
}

void check(int result) {
  switch (result) {
    case SPNG_OK:
      return;
    case SPNG_EMEM:
      throw std::bad_alloc();
    case SPNG_IO_EOF:
    case SPNG_EOF:
    case SPNG_EIDAT_TOO_SHORT:
      throw ImageError(ImageStatus::truncated, "PNG holds fewer pixels than it declares");
    case SPNG_EOVERFLOW:
      throw ImageError(ImageStatus::too_large, "PNG declares more pixels than any memory holds");
    case SPNG_ECHUNK_UNKNOWN_CRITICAL:
      throw ImageError(ImageStatus::unsupported,
                       "PNG with a chunk that is not in the standard: save it as plain PNG");
    default:
      throw ImageError(ImageStatus::unreadable, "damaged PNG: {}", spng_strerror(result));
  }
}

/// What libspng is asked for, and what of it is kept.
struct Request {
  int format = SPNG_FMT_PNG;
  int flags = 0;
  int64_t channels = 0;
  int64_t kept = 0;
};

Request request(const spng_ihdr& header, bool transparent) {
  const bool wide = header.bit_depth == 16;
  switch (header.color_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
      return {SPNG_FMT_PNG, 0, 2, 1};
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
      return {SPNG_FMT_PNG, 0, 4, 3};
    default:
      break;
  }
  const int64_t kept = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE ? 1 : 3;
  if (transparent) return {wide ? SPNG_FMT_RGBA16 : SPNG_FMT_RGBA8, SPNG_DECODE_TRNS, 4, kept};
  if (header.color_type == SPNG_COLOR_TYPE_INDEXED) return {SPNG_FMT_RGB8, 0, 3, 3};
  return {header.bit_depth < 8 ? SPNG_FMT_G8 : SPNG_FMT_PNG, 0, kept, kept};
}

uint64_t bits_of_pixel(const spng_ihdr& header) {
  switch (header.color_type) {
    case SPNG_COLOR_TYPE_TRUECOLOR:
      return 3u * header.bit_depth;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
      return 2u * header.bit_depth;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
      return 4u * header.bit_depth;
    default:
      return header.bit_depth;
  }
}

/// Bytes of a pixel of 8-bit grey, RGB, grey with alpha, RGBA; 0 for anything else.
int64_t channels_of(uint8_t colour_type) {
  switch (colour_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE:
      return 1;
    case SPNG_COLOR_TYPE_TRUECOLOR:
      return 3;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
      return 2;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
      return 4;
    default:
      return 0;
  }
}

/// What all IDAT chunks hold, one after the other. `file` is a whole row of chunks.
std::string_view join_pixels(std::string_view file, std::string& joined) {
  joined.clear();
  for (size_t at = kSignature.size(); at < file.size();) {
    const uint32_t length = big_endian(file.substr(at, 4));
    if (file.substr(at + 4, 4) == "IDAT") joined += file.substr(at + 8, length);
    at += length + kChunkFrame;
  }
  return joined;
}

/// False where the file is not plain, or something is wrong with it.
bool decode_plain(std::string_view file, const Chunks& chunks, Image& image, PngMemory& memory) {
  if (!chunks.is_plain || chunks.has_transparency) return false;
  const std::string_view header = file.substr(kSignature.size() + 8, kHeader);
  const int64_t width = big_endian(header);
  const int64_t height = big_endian(header.substr(4));
  const int64_t channels = channels_of(static_cast<uint8_t>(header[9]));
  constexpr std::string_view kDeflateFilteredWhole("\0\0\0", 3);
  if (header[8] != 8 || channels == 0 || header.substr(10) != kDeflateFilteredWhole) return false;
  const ImageShape shape = checked_shape(width, height, channels);
  check_packed_size(shape, static_cast<uint64_t>(shape.size()), chunks.packed_bytes, kDeflateRatio);
  std::string_view packed = chunks.packed;
  if (chunks.is_split) packed = join_pixels(chunks.essential, memory.packed);
  if (!memory.plain.decode(packed, width, height, channels, image)) return false;
  if (channels % 2 == 0) drop_opaque_alpha(image, channels - 1);
  return true;
}

}  // namespace

Orientation decode_png(std::string_view file, Image& image, PngMemory& memory) {
  const Chunks chunks = find_chunks(file, memory.chunks);
  if (decode_plain(file, chunks, image, memory)) return exif_orientation(chunks.exif);
  const std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)> context(spng_ctx_new(0),
                                                                    &spng_ctx_free);
  if (!context) throw std::bad_alloc();
  // A wrong checksum of the transparency would otherwise make it vanish.
  check(spng_set_crc_action(context.get(), SPNG_CRC_ERROR, SPNG_CRC_ERROR));
  check(spng_set_png_buffer(context.get(), chunks.essential.data(), chunks.essential.size()));
  spng_ihdr header;
  check(spng_get_ihdr(context.get(), &header));
  const Request asked = request(header, chunks.has_transparency);
  const ImageShape shape = checked_shape(header.width, header.height, asked.channels);
  check_packed_size(shape, uint64_t{header.width} * header.height * bits_of_pixel(header) / 8,
                    chunks.packed_bytes, kDeflateRatio);
  image.reset(header.bit_depth == 16 ? PixelType::u16 : PixelType::u8, shape);
  check(spng_decode_image(context.get(), image.pixels.data(), image.pixels.size(), asked.format,
                          asked.flags));
  check(spng_decode_chunks(context.get()));  // the checksums of the last chunks
  if ((asked.flags & SPNG_DECODE_TRNS) != 0) {
    spng_trns transparency;
    check(spng_get_trns(context.get(), &transparency));  // libspng goes on without a damaged one
  }
  if (asked.channels != asked.kept) drop_opaque_alpha(image, asked.kept);
  return exif_orientation(chunks.exif);
}

}  // namespace oddity
