#include "data/pixels.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

// What a process can address on today's 64-bit machines.
constexpr size_t kAddressSpace = size_t{1} << 47;

/// `n` unsigned integers as fractions of their largest value.
template <typename T>
void fractions(const std::byte* in, size_t n, float* out) {
  constexpr float kLargest = std::numeric_limits<T>::max();
  for (size_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, in + i * sizeof(T), sizeof(T));
    out[i] = static_cast<float>(value) / kLargest;
  }
}

std::vector<std::byte> zeros(size_t bytes) {
  try {
    return std::vector<std::byte>(bytes);
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  throw Error("images of {} bytes do not fit into memory", bytes);
}

}  // namespace

void to_float(const ImageView& images, size_t i, float* out) {
  const auto n = static_cast<size_t>(images.shape.size());
  switch (images.type) {
    case PixelType::u8:
      return fractions<uint8_t>(images.image(i), n, out);
    case PixelType::u16:
      return fractions<uint16_t>(images.image(i), n, out);
    case PixelType::f32:
      std::memcpy(out, images.image(i), n * sizeof(float));
      return;
  }
}

void widen(PixelType from, const std::byte* in, size_t n, PixelType to, std::byte* out) {
  if (from == to) {
    if (n > 0) std::memcpy(out, in, n * size_of(to));
  } else if (to == PixelType::u16) {
    for (size_t i = 0; i < n; ++i) {
      // v/255 and 257·v/65535 are one number, so their quotients are rounded to one float.
      const auto wide = static_cast<uint16_t>(257 * std::to_integer<uint32_t>(in[i]));
      std::memcpy(out + i * sizeof(wide), &wide, sizeof(wide));
    }
  } else {
    const ImageView view{in, from, {1, static_cast<int64_t>(n), 1}, 1};
    to_float(view, 0, reinterpret_cast<float*>(out));
  }
}

void check_finite(const ImageView& images, std::string_view name) {
  if (images.type != PixelType::f32) return;
  const auto n = static_cast<size_t>(images.shape.size());
  const auto width = static_cast<size_t>(images.shape.width);
  const auto channels = static_cast<size_t>(images.shape.channels);
  for (size_t i = 0; i < images.count; ++i) {
    for (size_t k = 0; k < n; ++k) {
      float value;
      std::memcpy(&value, images.image(i) + k * sizeof(float), sizeof(float));
      if (value >= 0 && value <= 1) continue;  // false for NaN
      throw Error(
          "{}: image {} holds {} at row {}, column {}, channel {}: float images must be in [0,1]: "
          "{}",
          name, i, shortest(value), k / channels / width, k / channels % width, k % channels,
          std::isfinite(value) ? "divide them by their largest value, or save uint8"
                               : "replace what is not finite");
    }
  }
}

size_t checked_bytes(PixelType type, const ImageShape& shape, size_t count, std::string_view name) {
  if (shape.height < 1 || shape.width < 1 || shape.channels < 1) {
    throw Error("{}: images of {} hold no pixels", name, to_string(shape));
  }
  size_t bytes = size_of(type);
  if (__builtin_mul_overflow(bytes, static_cast<size_t>(shape.height), &bytes) ||
      __builtin_mul_overflow(bytes, static_cast<size_t>(shape.width), &bytes) ||
      __builtin_mul_overflow(bytes, static_cast<size_t>(shape.channels), &bytes) ||
      __builtin_mul_overflow(bytes, count, &bytes) || bytes > kAddressSpace) {
    throw Error("{}: {} images of {} are larger than any memory", name, count, to_string(shape));
  }
  return bytes;
}

ImageArray::ImageArray(PixelType type, ImageShape shape, size_t count)
    : type_(type),
      shape_(shape),
      count_(count),
      bytes_(zeros(checked_bytes(type, shape, count, "image array"))) {}

ImageArray::ImageArray(PixelType type, ImageShape shape, size_t count, std::vector<std::byte> bytes)
    : type_(type), shape_(shape), count_(count), bytes_(std::move(bytes)) {
  const size_t expected = checked_bytes(type, shape, count, "image array");
  if (bytes_.size() != expected) {
    throw Error("{} images of {} need {} bytes, got {}", count, to_string(shape), expected,
                bytes_.size());
  }
}

}  // namespace oddity
