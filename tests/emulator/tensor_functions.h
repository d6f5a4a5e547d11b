// The host's twins of kernels/tensor.cuh, which says what they do.
#pragma once

#include <cuda_fp16.h>

#include "emulator/cuda_on_host.h"

namespace oddity::emulator {

struct TileOperands {
  const std::uint32_t* a;
  std::uint32_t b[2];
  const float* start;
};

/// The products of the tiles in float32: exact, added in the order of the depth, and to `start` at
/// the end. (A tensor core adds several at once, and truncates: tolerances must leave room.)
void execute_multiply_tiles(WarpOperation* const* lanes, unsigned mask);
/// Hands the rows of 16 bytes out as words.
void execute_load_tile(WarpOperation* const* lanes, unsigned mask);

}  // namespace oddity::emulator

namespace oddity::kernels {

inline void multiply_tiles(float (&sums)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                           std::uint32_t b1, const float (&start)[4],
                           const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const emulator::TileOperands operands{a, {b0, b1}, start};
  float result[4];
  emulator::WarpOperation operation{emulator::execute_multiply_tiles,
                                    0xffffffffu,
                                    {file, line},
                                    &operands,
                                    result,
                                    sizeof(result),
                                    0};
  emulator::warp_collective(operation);
  for (int i = 0; i < 4; ++i) sums[i] = result[i];
}

inline uint4 load_words(const void* from, const char* file = __builtin_FILE(),
                        int line = __builtin_LINE()) {
  emulator::check_alignment(from, alignof(uint4), {file, line});
  return *static_cast<const uint4*>(from);
}
inline void store_words(void* to, uint4 words, const char* file = __builtin_FILE(),
                        int line = __builtin_LINE()) {
  emulator::check_alignment(to, alignof(uint4), {file, line});
  *static_cast<uint4*>(to) = words;
}

inline void load_tile(std::uint32_t (&a)[4], const void* row, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE()) {
  const uint4 own = load_words(row, file, line);  // each lane reads the row that it names
  std::uint32_t words[4];
  emulator::WarpOperation operation{
      emulator::execute_load_tile, 0xffffffffu, {file, line}, &own, words, sizeof(words), 0};
  emulator::warp_collective(operation);
  for (int i = 0; i < 4; ++i) a[i] = words[i];
}

inline std::uint32_t halves_of_bytes(std::uint32_t low, std::uint32_t high) {
  const auto half = [](std::uint32_t byte) {
    return std::uint32_t{__half_as_ushort(__float2half_rn(static_cast<float>(byte)))};
  };
  return half(low) | half(high) << 16;
}

}  // namespace oddity::kernels
