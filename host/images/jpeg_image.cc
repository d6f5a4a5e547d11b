#include "images/jpeg_image.h"

// jpeglib.h wants it first: it names FILE and size_t without asking for them.
#include <cstdio>
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <new>
#include <string>

#include "core/text.h"
#include "images/exif.h"

namespace oddity {
namespace {

constexpr long kMaxMemory = 1L << 30;  // of the coefficients of a progressive image
// Each scan goes over the whole image and may be a few bytes long.
constexpr int kMaxScans = 500;
constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr std::string_view kExifName{"Exif\0\0", 6};
constexpr int kWholeSize = 8;  // of the eighths that libjpeg scales by

/// libjpeg's state, where its handlers find ours.
struct Jpeg {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  bool too_many_scans = false;

  Jpeg();
  ~Jpeg() { jpeg_destroy_decompress(&info); }
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;
};

Jpeg& owner(j_common_ptr info) { return *static_cast<Jpeg*>(info->client_data); }

[[noreturn]] void on_error(j_common_ptr info) { std::longjmp(owner(info).jump, 1); }

/// Warnings come as messages below level 0. Some say that what follows is not what was stored.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      on_error(info);
    default:
      return;
  }
}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  owner(info).too_many_scans = true;
  on_error(info);
}

/// Whether `step` came to its end. libjpeg's errors jump out of it: neither it nor what it calls
/// holds an object with a destructor.
template <typename Step>
bool succeeds(Jpeg& jpeg, const Step& step) {
  if (setjmp(jpeg.jump) != 0) return false;
  step();
  return true;
}

Jpeg::Jpeg() {
  info.err = jpeg_std_error(&errors);
  info.client_data = this;
  errors.error_exit = on_error;
  errors.emit_message = on_message;
  errors.output_message = [](j_common_ptr) {};
  progress.progress_monitor = on_progress;
  if (!succeeds(*this, [this] { jpeg_create_decompress(&info); })) throw std::bad_alloc();
  info.progress = &progress;
  info.mem->max_memory_to_use = kMaxMemory;
}

[[noreturn]] void throw_error(Jpeg& jpeg) {
  if (jpeg.too_many_scans) {
    throw ImageError(ImageStatus::too_large,
                     "progressive JPEG of more than {} scans: save it again", kMaxScans);
  }
  char text[JMSG_LENGTH_MAX] = "";
  jpeg.errors.format_message(reinterpret_cast<j_common_ptr>(&jpeg.info), text);
  const std::string message = printable(std::string_view(text));
  switch (jpeg.errors.msg_code) {
    case JERR_OUT_OF_MEMORY:
      throw std::bad_alloc();
    case JERR_INPUT_EMPTY:
    case JERR_INPUT_EOF:
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
      throw ImageError(ImageStatus::truncated, "JPEG ends before its image does: {}", message);
    case JERR_BAD_PRECISION:
      throw ImageError(ImageStatus::unsupported, "JPEG of {} bits a number: save it with 8",
                       jpeg.info.data_precision);
    case JERR_ARITH_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_EMPTY_IMAGE:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED:
      throw ImageError(ImageStatus::unsupported, "{}: save it as a baseline JPEG or a PNG",
                       message);
    case JERR_IMAGE_TOO_BIG:
    case JERR_NO_BACKING_STORE:
    case JERR_WIDTH_OVERFLOW:
      throw ImageError(ImageStatus::too_large, "JPEG is too large: {}", message);
    default:
      throw ImageError(ImageStatus::unreadable, "damaged JPEG: {}", message);
  }
}

Orientation orientation_of(const jpeg_decompress_struct& info) {
  for (auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker != kExifMarker || !data.starts_with(kExifName)) continue;
    return exif_orientation(data.substr(kExifName.size()));
  }
  return kUpright;
}

void check_channels(const jpeg_decompress_struct& info) {
  if (info.num_components == 1 || info.num_components == 3) return;
  if (info.num_components == 4) {
    throw ImageError(ImageStatus::unsupported, "CMYK JPEG: convert it to RGB");
  }
  throw ImageError(ImageStatus::unsupported, "JPEG of {} channels: convert it to grey or RGB",
                   info.num_components);
}

/// Huffman codes take a bit at least: a block of 8x8 numbers two, its first number and the end of
/// the others, or in a progressive image, where one code can end many blocks, one.
void check_block_count(const jpeg_decompress_struct& info, const ImageShape& shape,
                       size_t file_size) {
  if (info.arith_code) return;
  uint64_t blocks = 0;
  for (int i = 0; i < info.num_components; ++i) {
    blocks += uint64_t{info.comp_info[i].width_in_blocks} * info.comp_info[i].height_in_blocks;
  }
  check_packed_size(shape, blocks, file_size, info.progressive_mode ? 8 : 4);
}

/// The smallest size, in eighths, at which neither extent falls below what is asked for.
int smallest_scale(const DecodeHints& hints, Orientation orientation, int64_t width,
                   int64_t height) {
  if (hints.least_width < 1 || hints.least_height < 1) return kWholeSize;
  if (orientation >= 5) std::swap(width, height);  // these turn it on its side
  for (const int scale : {1, 2, 4}) {
    const auto scaled = [scale](int64_t extent) {
      return (extent * scale + kWholeSize - 1) / kWholeSize;
    };
    if (scaled(width) >= hints.least_width && scaled(height) >= hints.least_height) return scale;
  }
  return kWholeSize;
}

}  // namespace

Orientation decode_jpeg(std::string_view file, const DecodeHints& hints, Image& image) {
  // A new one for each image: tables that a file does not bring would be those of the last one.
  Jpeg jpeg;
  jpeg_decompress_struct& info = jpeg.info;
  const bool started = succeeds(jpeg, [&] {
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(file.data()),
                 static_cast<unsigned long>(file.size()));
    jpeg_save_markers(&info, kExifMarker, 0xffff);
    jpeg_read_header(&info, TRUE);
  });
  if (!started) throw_error(jpeg);
  check_channels(info);
  check_block_count(info, checked_shape(info.image_width, info.image_height, info.num_components),
                    file.size());
  const Orientation orientation = orientation_of(info);
  info.out_color_space = hints.gray || info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  info.scale_num = static_cast<unsigned>(
      smallest_scale(hints, orientation, info.image_width, info.image_height));
  info.scale_denom = kWholeSize;
  if (!succeeds(jpeg, [&] { jpeg_start_decompress(&info); })) throw_error(jpeg);

  image.reset(PixelType::u8,
              checked_shape(info.output_width, info.output_height, info.output_components));
  auto* const pixels = reinterpret_cast<JSAMPLE*>(image.pixels.data());
  const size_t row_size = size_t{info.output_width} * static_cast<size_t>(info.output_components);
  const bool finished = succeeds(jpeg, [&] {
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = pixels + info.output_scanline * row_size;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  });
  if (!finished) throw_error(jpeg);
  return orientation;
}

}  // namespace oddity
