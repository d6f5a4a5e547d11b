#include "images/png_image.h"

#include <spng.h>
#include <zlib.h>

#include <memory>
#include <new>

#include "data/byte_source.h"
#include "images/exif.h"

namespace oddity {
namespace {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
constexpr size_t kChunkFrame = 12;  // length, type and checksum
constexpr uint32_t kMaxChunk = 0x7fffffff;

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
  uint64_t packed = 0;  // bytes of pixels, compressed
  bool has_transparency = false;
};

bool is_name(std::string_view type) {
  for (const char c : type) {
    if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z')) return false;
  }
  return true;
}

/// Throws ImageError (unreadable) where a chunk that libspng does not see is damaged.
void check_checksum(std::string_view chunk) {
  const std::string_view checked = chunk.substr(4, chunk.size() - 8);
  const auto* bytes = reinterpret_cast<const unsigned char*>(checked.data());
  const uLong checksum = ::crc32(0, bytes, static_cast<uInt>(checked.size()));
  if (checksum == big_endian(chunk.substr(chunk.size() - 4))) return;
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
  size_t copied = 0;  // bytes of `file` that are in `scratch`, or were left out of it
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
    if (type == "IDAT") chunks.packed += length;
    if (type == "tRNS") chunks.has_transparency = true;
    if (type == "eXIf" && chunks.exif.empty()) chunks.exif = file.substr(at + 8, length);
    if (!critical && type != "tRNS") {
      check_checksum(file.substr(at, size));
      leave_out(at, size);
    }
    at += size;
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

}  // namespace

Orientation decode_png(std::string_view file, Image& image, std::string& scratch) {
  const Chunks chunks = find_chunks(file, scratch);
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
                    chunks.packed, kDeflateRatio);
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
