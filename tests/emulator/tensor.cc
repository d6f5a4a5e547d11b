// Tensor cores on the host: a warp's product of two tiles, and the loads that belong to it.
#include <bit>
#include <cstring>

#include "emulator/internal.h"
#include "emulator/tensor_functions.h"

namespace oddity::emulator {
namespace {

/// fp16 numbers, tile by tile in the order of their rows.
struct Bits {
  std::uint16_t a[16][16];
  std::uint16_t b[16][8];
};
struct Numbers {
  float a[16][16];
  float b[16][8];
};
constexpr int kNumbers = sizeof(Numbers) / sizeof(float);

/// All at once, without a branch, so that the compiler takes eight at a time.
void widen(const std::uint16_t* halves, float* numbers) {
  for (int i = 0; i < kNumbers; ++i) {
    const std::uint32_t half = halves[i];
    const std::uint32_t sign = (half & 0x8000) << 16;
    // The exponents differ by 112; so those of subnormal numbers come out right, too.
    const float magnitude = std::bit_cast<float>((half & 0x7fff) << 13) * 0x1p112f;
    const std::uint32_t above = 0x7f800000u | (half & 0x3ff) << 13;  // infinity, NaN
    const bool finite = (half & 0x7c00) != 0x7c00;
    numbers[i] =
        std::bit_cast<float>(sign | (finite ? std::bit_cast<std::uint32_t>(magnitude) : above));
  }
}

}  // namespace

std::atomic<std::uint64_t>& tile_products() {
  static std::atomic<std::uint64_t> products;
  return products;
}

void execute_multiply_tiles(WarpOperation* const* lanes, unsigned) {
  tile_products().fetch_add(1, std::memory_order_relaxed);
  Bits bits;
  for (int lane = 0; lane < 32; ++lane) {
    const auto& operands = *static_cast<const TileOperands*>(lanes[lane]->input);
    const int g = lane / 4;
    const int k = lane % 4 * 2;
    for (int i = 0; i < 4; ++i) {
      std::memcpy(&bits.a[g + i % 2 * 8][k + i / 2 * 8], &operands.a[i], sizeof(operands.a[i]));
    }
    for (int i = 0; i < 2; ++i) {
      bits.b[k + 8 * i][g] = static_cast<std::uint16_t>(operands.b[i]);
      bits.b[k + 8 * i + 1][g] = static_cast<std::uint16_t>(operands.b[i] >> 16);
    }
  }
  Numbers numbers;
  widen(&bits.a[0][0], &numbers.a[0][0]);
  float sums[16][8];
  for (int row = 0; row < 16; ++row) {
    float sum[8] = {};
    for (int k = 0; k < 16; ++k) {
      const float factor = numbers.a[row][k];
      for (int column = 0; column < 8; ++column) sum[column] += factor * numbers.b[k][column];
    }
    std::memcpy(sums[row], sum, sizeof(sum));
  }
  for (int lane = 0; lane < 32; ++lane) {
    const auto& operands = *static_cast<const TileOperands*>(lanes[lane]->input);
    auto* const result = static_cast<float*>(lanes[lane]->output);
    for (int i = 0; i < 4; ++i) {
      result[i] = operands.start[i] + sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
    }
  }
}

void execute_load_tile(WarpOperation* const* lanes, unsigned) {
  std::uint32_t rows[32][4];
  for (int lane = 0; lane < 32; ++lane) std::memcpy(rows[lane], lanes[lane]->input, sizeof(uint4));
  for (int lane = 0; lane < 32; ++lane) {
    auto* const words = static_cast<std::uint32_t*>(lanes[lane]->output);
    for (int matrix = 0; matrix < 4; ++matrix)
      words[matrix] = rows[8 * matrix + lane / 4][lane % 4];
  }
}

}  // namespace oddity::emulator
