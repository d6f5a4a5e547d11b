// Chunks of PNG files that tests make by hand.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>

namespace oddity::test {

inline std::string big_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

/// A PNG chunk with the checksum it must have.
inline std::string chunk(const std::string& name, const std::string& data) {
  const std::string checked = name + data;
  const uLong checksum =
      ::crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + checked +
         big_endian(static_cast<uint32_t>(checksum));
}

}  // namespace oddity::test
