// NumPy's array format, .npy (NEP 1), versions 1 to 3, little-endian and C order.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace oddity {

struct NpyHeader {
  std::string type;            // NumPy's descr: "|u1", "<u2", "<f4", "<f8", "<i4", "<i8"
  std::vector<int64_t> shape;  // none negative; the product does not overflow
  size_t data_offset = 0;      // bytes before the first number
  size_t count() const;        // numbers in the array
};

/// Parses the header at the start of `bytes` and checks that the data that follow are of exactly the
/// size it declares. Throws Error beginning with `name`. Object arrays, big-endian and Fortran order are
/// refused with the cure.
NpyHeader parse_npy(std::string_view bytes, std::string_view name);

/// The header NumPy writes (version 1.0, padded to 64 bytes).
std::string npy_header(std::string_view type, std::span<const int64_t> shape);

}  // namespace oddity
