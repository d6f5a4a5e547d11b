#include "images/preprocessing.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "core/text.h"
#include "images/resample.h"

namespace oddity {
namespace {

constexpr int64_t kLargestExtent = 65535;

/// The number that `text` is, whole and nothing else; 0 where it is none.
int64_t number(std::string_view text) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end ? value : 0;
}

/// Keeps the largest part, in the middle, whose extents are to each other as those of `aspect`:
/// one extent whole, the other that times the ratio, rounded down, at least 1. The odd pixel that
/// is too many goes off at the right or the bottom.
void crop(Image& image, const ImageSize& aspect) {
  const ImageShape from = image.shape;
  ImageShape to = from;
  if (from.width * aspect.height > from.height * aspect.width) {
    to.width = std::max<int64_t>(1, from.height * aspect.width / aspect.height);
  } else {
    to.height = std::max<int64_t>(1, from.width * aspect.height / aspect.width);
  }
  if (to == from) return;
  const size_t pixel = static_cast<size_t>(from.channels) * size_of(image.type);
  const auto left = static_cast<size_t>((from.width - to.width) / 2);
  const auto top = static_cast<size_t>((from.height - to.height) / 2);
  const size_t row = static_cast<size_t>(to.width) * pixel;
  std::byte* const data = image.pixels.data();
  for (size_t y = 0; y < static_cast<size_t>(to.height); ++y) {
    // Forward in place: no row goes behind one that is still to come.
    std::memmove(data + y * row,
                 data + ((y + top) * static_cast<size_t>(from.width) + left) * pixel, row);
  }
  image.reset(image.type, to);
}

// .299, .587 and .114 in 65536ths; the sum is exact, and fits 32 bits for 16-bit numbers as well.
template <typename T>
T luma(T red, T green, T blue) {
  return static_cast<T>((19595u * red + 38470u * green + 7471u * blue + 32768u) >> 16);
}
template <>
float luma(float red, float green, float blue) {
  return std::min(.299F * red + .587F * green + .114F * blue, 1.0F);
}

template <typename T>
void to_gray(Image& image) {
  const auto pixels = static_cast<size_t>(image.shape.height * image.shape.width);
  std::byte* const data = image.pixels.data();
  for (size_t i = 0; i < pixels; ++i) {
    T rgb[3];
    std::memcpy(rgb, data + i * sizeof rgb, sizeof rgb);
    const T value = luma(rgb[0], rgb[1], rgb[2]);
    std::memcpy(data + i * sizeof value, &value, sizeof value);
  }
}

void to_gray(Image& image) {
  if (image.shape.channels == 1) return;
  if (image.shape.channels != 3) {
    throw ImageError(ImageStatus::unsupported,
                     "has {} channels: only 3 can be made grey: leave out --gray",
                     image.shape.channels);
  }
  switch (image.type) {
    case PixelType::u8:
      to_gray<uint8_t>(image);
      break;
    case PixelType::u16:
      to_gray<uint16_t>(image);
      break;
    case PixelType::f32:
      to_gray<float>(image);
      break;
  }
  image.reset(image.type, {image.shape.height, image.shape.width, 1});
}

}  // namespace

ImageSize parse_image_size(std::string_view text, std::string_view option) {
  const size_t cross = text.find('x');
  ImageSize size;
  if (cross != std::string_view::npos) {
    size = {number(text.substr(0, cross)), number(text.substr(cross + 1))};
  }
  const auto valid = [](int64_t extent) { return extent >= 1 && extent <= kLargestExtent; };
  if (!valid(size.width) || !valid(size.height)) {
    throw ArgumentError("{}: '{}' is not a size: WIDTHxHEIGHT, each 1 to {}, as in 28x28", option,
                        printable(text), kLargestExtent);
  }
  return size;
}

std::string describe(const Preprocessing& preprocessing) {
  std::string text;
  const auto add = [&text](std::string_view step) {
    if (!text.empty()) text += ", ";
    text += step;
  };
  if (preprocessing.crop) add("crop");
  if (preprocessing.gray) add("gray");
  if (const auto& size = preprocessing.resize) {
    add(fmt::format("resize to {}x{}", size->width, size->height));
  }
  return text.empty() ? "none" : text;
}

DecodeHints decode_hints(const Preprocessing& preprocessing) {
  DecodeHints hints;
  hints.gray = preprocessing.gray;
  if (const auto& size = preprocessing.resize) {
    // Twice the size leaves the filter enough to work with. What crop leaves of an image of at
    // least W x H is at least W x H where it has the same aspect ratio: one extent stays whole.
    hints.least_width = 2 * size->width;
    hints.least_height = 2 * size->height;
  }
  return hints;
}

struct Preprocessor::State {
  Resampler resampler;
  Image resized;
};

Preprocessor::Preprocessor(const Preprocessing& preprocessing)
    : preprocessing_(preprocessing), state_(std::make_unique<State>()) {}
Preprocessor::~Preprocessor() = default;

void Preprocessor::apply(Image& image) {
  const auto& size = preprocessing_.resize;
  if (preprocessing_.crop && size) crop(image, *size);
  if (preprocessing_.gray) to_gray(image);
  if (!size || (image.shape.width == size->width && image.shape.height == size->height)) return;
  if (size->width > kMaxImageNumbers / image.shape.channels / size->height) {
    throw ImageError(ImageStatus::too_large,
                     "{}x{}x{} after resizing: more than {} numbers in one image are not made",
                     size->width, size->height, image.shape.channels, kMaxImageNumbers);
  }
  state_->resampler.resample(image, size->width, size->height, state_->resized);
  std::swap(image, state_->resized);
}

}  // namespace oddity
