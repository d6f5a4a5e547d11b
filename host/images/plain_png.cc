#include "images/plain_png.h"

#include <libdeflate.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace oddity {
namespace {

/// The filters of a row (PNG specification, 9.2): what was subtracted from each byte.
enum Filter : uint8_t { kNone, kSub, kUp, kAverage, kPaeth };

uint8_t paeth(int left, int up, int corner) {
  const int estimate = left + up - corner;
  const int from_left = std::abs(estimate - left);
  const int from_up = std::abs(estimate - up);
  const int from_corner = std::abs(estimate - corner);
  if (from_left <= from_up && from_left <= from_corner) return static_cast<uint8_t>(left);
  return static_cast<uint8_t>(from_up <= from_corner ? up : corner);
}

/// One row of `size` bytes, pixels of `step`, from what was filtered. `above` is the row before it,
/// zeros for the first. False for a filter that does not exist.
bool unfilter(uint8_t filter, const uint8_t* in, const uint8_t* above, size_t size, size_t step,
              uint8_t* out) {
  const auto left = [&](size_t i) { return i < step ? uint8_t{0} : out[i - step]; };
  switch (filter) {
    case kNone:
      std::memcpy(out, in, size);
      return true;
    case kSub:
      for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(in[i] + left(i));
      return true;
    case kUp:
      for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(in[i] + above[i]);
      return true;
    case kAverage:
      for (size_t i = 0; i < size; ++i) {
        out[i] = static_cast<uint8_t>(in[i] + (left(i) + above[i]) / 2);
      }
      return true;
    case kPaeth:
      for (size_t i = 0; i < size; ++i) {
        const int corner = i < step ? 0 : above[i - step];
        out[i] = static_cast<uint8_t>(in[i] + paeth(left(i), above[i], corner));
      }
      return true;
    default:
      return false;
  }
}

}  // namespace

void PlainPng::Free::operator()(libdeflate_decompressor* decompressor) const noexcept {
  libdeflate_free_decompressor(decompressor);
}

PlainPng::PlainPng() : decompressor_(libdeflate_alloc_decompressor()) {
  if (!decompressor_) throw std::bad_alloc();
}

bool PlainPng::decode(std::string_view packed, int64_t width, int64_t height, int64_t channels,
                      Image& image) {
  const auto rows = static_cast<size_t>(height);
  const auto step = static_cast<size_t>(channels);
  const size_t row = static_cast<size_t>(width) * step;
  // Behind all rows one of zeros, which stands above the first.
  const size_t all = rows * (row + 1);
  filtered_.resize(all + row);
  if (libdeflate_zlib_decompress(decompressor_.get(), packed.data(), packed.size(),
                                 filtered_.data(), all, nullptr) != LIBDEFLATE_SUCCESS) {
    return false;
  }
  std::memset(filtered_.data() + all, 0, row);
  image.reset(PixelType::u8, {height, width, channels});
  auto* out = reinterpret_cast<uint8_t*>(image.pixels.data());
  const uint8_t* above = filtered_.data() + all;
  const uint8_t* in = filtered_.data();
  for (size_t y = 0; y < rows; ++y, in += row + 1, above = out, out += row) {
    if (!unfilter(in[0], in + 1, above, row, step, out)) return false;
  }
  return true;
}

}  // namespace oddity
