// Images in memory, in the type they were read in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/shape.h"

namespace oddity {

/// How one number of an image is stored, and what stands for 1.0: u8 255, u16 65535, f32 1.
enum class PixelType { u8, u16, f32 };

constexpr size_t size_of(PixelType type) {
  return type == PixelType::u8 ? 1 : type == PixelType::u16 ? 2 : 4;
}
constexpr std::string_view name_of(PixelType type) {
  return type == PixelType::u8 ? "uint8" : type == PixelType::u16 ? "uint16" : "float32";
}

/// Images that somebody else owns: [count, height, width, channels], contiguous, host byte order.
struct ImageView {
  const std::byte* data = nullptr;
  PixelType type = PixelType::u8;
  ImageShape shape;
  size_t count = 0;

  size_t image_bytes() const { return static_cast<size_t>(shape.size()) * size_of(type); }
  /// Image `i` of the view, in its own type.
  const std::byte* image(size_t i) const { return data + i * image_bytes(); }
};

/// Image `i` as float32 [H,W,C] in [0,1]: u8/255, u16/65535 (one float32 division), f32 as it is.
void to_float(const ImageView& images, size_t i, float* out);

/// `n` numbers of type `from` as numbers of a wider type that stand for the same values: to_float
/// gives the same bits for both. u8 → u16 (257·v), u8 and u16 → f32, or a mere copy.
void widen(PixelType from, const std::byte* in, size_t n, PixelType to, std::byte* out);

/// Throws Error naming the first image that holds a NaN, an infinity or a value outside [0,1].
/// Only f32 images can.
void check_finite(const ImageView& images, std::string_view name);

/// Bytes that `count` images take. Throws Error beginning with `name` where an extent is below 1 or
/// the size overflows.
size_t checked_bytes(PixelType type, const ImageShape& shape, size_t count, std::string_view name);

/// The images that follow a header in a file.
struct ImageArrayHeader {
  PixelType type = PixelType::u8;
  ImageShape shape;
  size_t count = 0;
  size_t stored_size = 1;  // bytes of one number in the file: 8 where float64 becomes f32

  /// Bytes of one image in the file.
  size_t stored_image() const { return static_cast<size_t>(shape.size()) * stored_size; }
};

/// Images that own their memory.
class ImageArray {
 public:
  ImageArray() = default;
  /// Zero-filled; throws Error where the size overflows, an extent is below 1, or memory is short.
  ImageArray(PixelType type, ImageShape shape, size_t count);
  /// Takes over pixels that lie in memory already; throws Error where they are not exactly as many.
  ImageArray(PixelType type, ImageShape shape, size_t count, std::vector<std::byte> bytes);

  ImageView view() const { return {bytes_.data(), type_, shape_, count_}; }
  std::byte* data() { return bytes_.data(); }
  PixelType type() const { return type_; }
  const ImageShape& shape() const { return shape_; }
  size_t size() const { return count_; }

 private:
  PixelType type_ = PixelType::u8;
  ImageShape shape_;
  size_t count_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace oddity
