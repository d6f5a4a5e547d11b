#include "data/numpy_array.h"

#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "core/error.h"

namespace oddity {
namespace {

std::vector<std::byte> read_numbers(ByteSource& source, const NpyHeader& array) {
  auto bytes = read_exactly(source, array.bytes(),
                            fmt::format("{} of shape {}", array.type, shape_text(array.shape)));
  expect_end(source);
  return bytes;
}

template <typename T>
int64_t as_int64(const std::byte* bytes, std::string_view name) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  if (!std::in_range<int64_t>(value)) {
    throw Error("{}: {} is larger than an int64 holds", name, value);
  }
  return static_cast<int64_t>(value);
}

}  // namespace

bool is_npy(std::string_view start) { return start.starts_with("\x93NUMPY"); }

NpyHeader read_npy_header(ByteSource& source) {
  std::string header = read_up_to(source, kNpyPrefix);
  const size_t size = npy_header_size(header, source.name());
  header += read_up_to(source, size - kNpyPrefix);
  return parse_npy_header(header, source.name());
}

ImageArrayHeader image_array_header(const NpyHeader& array, std::string_view name) {
  const std::string& type = array.type;
  std::optional<PixelType> pixels;
  if (type[1] == 'u' && type[2] == '1') pixels = PixelType::u8;
  if (type[1] == 'u' && type[2] == '2') pixels = PixelType::u16;
  if (type[1] == 'f' && type[2] != '2') pixels = PixelType::f32;
  if (!pixels) {
    throw Error("{}: images of type {}: save them as uint8, uint16 or float32 in [0,1]", name,
                type);
  }
  if (array.shape.size() != 3 && array.shape.size() != 4) {
    throw Error("{}: an array of shape {}: reshape it to [N,H,W] or [N,H,W,C]", name,
                shape_text(array.shape));
  }
  const ImageShape shape{array.shape[1], array.shape[2],
                         array.shape.size() == 4 ? array.shape[3] : 1};
  const auto count = static_cast<size_t>(array.shape[0]);
  if (count == 0) throw Error("{}: holds no images", name);
  checked_bytes(*pixels, shape, count, name);
  return {*pixels, shape, count, array.item_size()};
}

void narrow_to_float32(std::span<std::byte> bytes) {
  const size_t count = bytes.size() / sizeof(double);
  for (size_t i = 0; i < count; ++i) {
    double wide;
    std::memcpy(&wide, bytes.data() + i * sizeof(double), sizeof(double));
    // Beyond float32 is far beyond [0,1], which check_finite names; NaN passes both.
    constexpr auto kLargest = static_cast<double>(std::numeric_limits<float>::max());
    if (wide > kLargest) wide = std::numeric_limits<double>::infinity();
    if (wide < -kLargest) wide = -std::numeric_limits<double>::infinity();
    const auto value = static_cast<float>(wide);
    std::memcpy(bytes.data() + i * sizeof(float), &value, sizeof(float));
  }
}

ImageArray read_array_images(ByteSource& source, const NpyHeader& array) {
  const auto [type, shape, count, stored_size] = image_array_header(array, source.name());
  std::vector<std::byte> bytes = read_numbers(source, array);
  if (stored_size == sizeof(double)) {
    narrow_to_float32(bytes);
    bytes.resize(bytes.size() / 2);
    bytes.shrink_to_fit();
  }
  ImageArray images(type, shape, count, std::move(bytes));
  check_finite(images.view(), source.name());
  return images;
}

void check_integers(const NpyHeader& array, std::string_view name) {
  if (array.shape.size() != 1 || array.type[1] == 'f') {
    throw Error("{}: {} of shape {}, expected integers of shape (N,)", name, array.type,
                shape_text(array.shape));
  }
}

int64_t integer_at(const std::byte* bytes, const NpyHeader& array, std::string_view name) {
  const bool is_signed = array.type[1] == 'i';
  switch (array.item_size()) {
    case 1:
      return is_signed ? as_int64<int8_t>(bytes, name) : as_int64<uint8_t>(bytes, name);
    case 2:
      return is_signed ? as_int64<int16_t>(bytes, name) : as_int64<uint16_t>(bytes, name);
    case 4:
      return is_signed ? as_int64<int32_t>(bytes, name) : as_int64<uint32_t>(bytes, name);
    default:
      return is_signed ? as_int64<int64_t>(bytes, name) : as_int64<uint64_t>(bytes, name);
  }
}

std::vector<int64_t> read_array_integers(ByteSource& source, const NpyHeader& array) {
  check_integers(array, source.name());
  const std::vector<std::byte> bytes = read_numbers(source, array);
  std::vector<int64_t> integers(array.count());
  for (size_t i = 0; i < integers.size(); ++i) {
    integers[i] = integer_at(bytes.data() + i * array.item_size(), array, source.name());
  }
  return integers;
}

std::string image_npy_header(const ImageArray& images) {
  const std::string_view type = images.type() == PixelType::u8    ? "|u1"
                                : images.type() == PixelType::u16 ? "<u2"
                                                                  : "<f4";
  const ImageShape& shape = images.shape();
  return npy_header(type, std::array{static_cast<int64_t>(images.size()), shape.height, shape.width,
                                     shape.channels});
}

std::string_view pixel_bytes(const ImageArray& images) {
  const ImageView view = images.view();
  return {reinterpret_cast<const char*>(view.data), view.image_bytes() * view.count};
}

}  // namespace oddity
