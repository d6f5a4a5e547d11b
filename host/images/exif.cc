#include "images/exif.h"

#include <cstdint>
#include <optional>

namespace oddity {
namespace {

constexpr uint16_t kOrientationTag = 274;
constexpr uint16_t kShort = 3;
constexpr size_t kHeader = 8;
constexpr size_t kEntry = 12;

/// Unsigned integers in the byte order of the structure; none past its end.
class Numbers {
 public:
  Numbers(std::string_view bytes, bool little_endian)
      : bytes_(bytes), little_endian_(little_endian) {}

  std::optional<uint32_t> u16(size_t offset) const { return read(offset, 2); }
  std::optional<uint32_t> u32(size_t offset) const { return read(offset, 4); }

 private:
  std::optional<uint32_t> read(size_t offset, size_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      const size_t at = little_endian_ ? offset + size - 1 - i : offset + i;
      value = value << 8 | static_cast<uint8_t>(bytes_[at]);
    }
    return value;
  }

  std::string_view bytes_;
  bool little_endian_;
};

}  // namespace

Orientation exif_orientation(std::string_view exif) {
  using namespace std::string_view_literals;
  const bool little_endian = exif.starts_with("II*\0"sv);
  if (!little_endian && !exif.starts_with("MM\0*"sv)) return kUpright;
  const Numbers numbers(exif, little_endian);
  const auto directory = numbers.u32(4);
  if (!directory || *directory < kHeader) return kUpright;
  const uint32_t entries = numbers.u16(*directory).value_or(0);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = size_t{*directory} + 2 + i * kEntry;
    const auto tag = numbers.u16(entry);
    if (!tag) break;
    if (*tag != kOrientationTag) continue;
    const auto value = numbers.u16(entry + 8);
    const bool valid = numbers.u16(entry + 2) == kShort && numbers.u32(entry + 4) == 1u && value &&
                       *value >= 1 && *value <= 8;
    return valid ? static_cast<Orientation>(*value) : kUpright;
  }
  return kUpright;
}

}  // namespace oddity
