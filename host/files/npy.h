// NumPy's array format, .npy (NEP 1), versions 1 to 3, little-endian and C order.
#pragma once

#include <cstddef>
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

  size_t count() const;      // numbers in the array
  size_t item_size() const;  // bytes of one number
  size_t bytes() const { return count() * item_size(); }
};

/// Bytes at the start of a file that tell how long its header is.
inline constexpr size_t kNpyPrefix = 12;

/// Bytes before the first number, from the first kNpyPrefix bytes. Throws Error beginning with
/// `name` where they are not the start of an NPY file, or of an unknown version.
size_t npy_header_size(std::string_view prefix, std::string_view name);

/// Parses a header, npy_header_size() bytes of it. Throws Error beginning with `name`. Object
/// arrays, big-endian and Fortran order are refused with the cure.
NpyHeader parse_npy_header(std::string_view header, std::string_view name);

/// Parses the header at the start of `bytes` and checks that the data that follow are of exactly
/// the size it declares. Throws Error beginning with `name`, as parse_npy_header does.
NpyHeader parse_npy(std::string_view bytes, std::string_view name);

/// The header NumPy writes (version 1.0, padded to 64 bytes).
std::string npy_header(std::string_view type, std::span<const int64_t> shape);

/// Type and shape of an array, checked: what parse_npy_header and the pickle reader have in common.
/// `type` is little-endian or of one byte: 'u' or 'i' of 1, 2, 4 or 8 bytes, 'f' of 2, 4 or 8.
/// Throws Error beginning with `name`.
void check_array(const NpyHeader& array, std::string_view name);

/// As Python writes a tuple: (6809, 28, 28, 1), (3,).
std::string shape_text(std::span<const int64_t> shape);

}  // namespace oddity
