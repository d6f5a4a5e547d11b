#include "images/decoding.h"

#include <cstring>
#include <limits>
#include <type_traits>

namespace oddity {
namespace {

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Whether each `channels`-th number is `opaque`.
template <typename T>
bool is_opaque(const Image& image, T opaque) {
  const auto channels = static_cast<size_t>(image.shape.channels);
  const size_t numbers = static_cast<size_t>(image.shape.size());
  for (size_t i = channels - 1; i < numbers; i += channels) {
    if (load<T>(image.pixels.data() + i * sizeof(T)) != opaque) return false;
  }
  return true;
}

bool is_opaque(const Image& image) {
  switch (image.type) {
    case PixelType::u8:
      return is_opaque<uint8_t>(image, std::numeric_limits<uint8_t>::max());
    case PixelType::u16:
      return is_opaque<uint16_t>(image, std::numeric_limits<uint16_t>::max());
    case PixelType::f32:
      return is_opaque<float>(image, 1);
  }
  return false;
}

/// Where the pixel at (y,x) of the result comes from: first + y·down + x·right, in pixels.
struct Walk {
  ptrdiff_t first = 0;
  ptrdiff_t down = 0;
  ptrdiff_t right = 0;
};

/// in → out [height,width], pixels of a size that the compiler knows.
template <size_t pixel>
void copy_pixels(const std::byte* in, const Walk& walk, int64_t height, int64_t width,
                 std::byte* out) {
  constexpr auto kPixel = static_cast<ptrdiff_t>(pixel);
  for (int64_t y = 0; y < height; ++y) {
    const std::byte* from = in + (walk.first + y * walk.down) * kPixel;
    for (int64_t x = 0; x < width; ++x) {
      std::memcpy(out, from + x * walk.right * kPixel, pixel);
      out += pixel;
    }
  }
}

}  // namespace

ImageShape checked_shape(int64_t width, int64_t height, int64_t channels) {
  if (width < 1 || height < 1 || channels < 1) {
    throw ImageError(ImageStatus::unreadable, "damaged: declares {}x{}x{}", width, height,
                     channels);
  }
  // Divided, as the product of what a header declares may overflow.
  if (width > kMaxImageNumbers / channels || height > kMaxImageNumbers / channels / width) {
    throw ImageError(ImageStatus::too_large,
                     "{}x{}x{}: more than {} numbers in one image are not read", width, height,
                     channels, kMaxImageNumbers);
  }
  return {height, width, channels};
}

void check_packed_size(const ImageShape& shape, uint64_t needed, uint64_t packed, uint64_t ratio) {
  if (needed / ratio <= packed) return;
  throw ImageError(ImageStatus::truncated, "declares {}x{}, for which {} bytes are too few",
                   shape.width, shape.height, packed);
}

void drop_opaque_alpha(Image& image, int64_t kept) {
  if (!is_opaque(image)) {
    throw ImageError(ImageStatus::unsupported,
                     "has transparency: flatten it onto a background first");
  }
  const size_t number = size_of(image.type);
  const size_t from_size = static_cast<size_t>(image.shape.channels) * number;
  const size_t to_size = static_cast<size_t>(kept) * number;
  const auto pixels = static_cast<size_t>(image.shape.height * image.shape.width);
  std::byte* data = image.pixels.data();
  for (size_t i = 0; i < pixels; ++i) {
    std::memmove(data + i * to_size, data + i * from_size, to_size);
  }
  image.reset(image.type, {image.shape.height, image.shape.width, kept});
}

void turn_upright(Image& image, Orientation orientation, std::vector<std::byte>& scratch) {
  if (orientation < 2 || orientation > 8) return;
  const ImageShape from = image.shape;
  const bool transposed = orientation >= 5;
  // Whether the rows and the columns of the file run backwards.
  const bool rows_back =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool columns_back =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const ptrdiff_t row = rows_back ? -from.width : from.width;
  const ptrdiff_t column = columns_back ? -1 : 1;
  const Walk walk{.first = (rows_back ? (from.height - 1) * from.width : 0) +
                           (columns_back ? from.width - 1 : 0),
                  .down = transposed ? column : row,
                  .right = transposed ? row : column};
  const ImageShape to = transposed ? ImageShape{from.width, from.height, from.channels} : from;
  scratch.swap(image.pixels);
  image.reset(image.type, to);
  const auto copy = [&](auto pixel) {
    copy_pixels<decltype(pixel)::value>(scratch.data(), walk, to.height, to.width,
                                        image.pixels.data());
  };
  // Decoders give one channel or three, of 1, 2 or 4 bytes.
  switch (static_cast<size_t>(from.channels) * size_of(image.type)) {
    case 1:
      return copy(std::integral_constant<size_t, 1>());
    case 2:
      return copy(std::integral_constant<size_t, 2>());
    case 3:
      return copy(std::integral_constant<size_t, 3>());
    case 4:
      return copy(std::integral_constant<size_t, 4>());
    case 6:
      return copy(std::integral_constant<size_t, 6>());
    case 12:
      return copy(std::integral_constant<size_t, 12>());
    default:
      throw Error("an image of {} cannot be turned: decoders give 1 or 3 channels",
                  to_string(from));
  }
}

}  // namespace oddity
