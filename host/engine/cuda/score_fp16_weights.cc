#include "engine/cuda/score_fp16_weights.h"

#include <cuda_fp16.h>

#include <bit>
#include <cmath>

namespace oddity::cuda {
namespace {

constexpr int kLanes = 32;
constexpr int kTileWords = 4;  // of a lane
constexpr size_t kTile = 16;   // rows and columns of an A tile; of two B tiles together
constexpr size_t kTaps = 9;
constexpr size_t kFeatures = 7 * 7 * 64;

/// Of rows of an A tile: those of which a lane has the sums are neighbours.
constexpr size_t even_then_odd(size_t row) { return 2 * (row % 8) + row / 8; }

/// Logit `column` of row `row` is reached from pixel `pixel` of the last stage through which of its
/// taps: none where that is kTaps. (Numbers as in kernels/score_fp16.h.)
constexpr size_t last_tap(size_t pixel, size_t row, size_t column) {
  // What lies before the pixel wraps around, and is no tap either.
  const size_t ky = row - pixel / 2;
  const size_t kx = column - pixel % 2;
  return ky < 3 && kx < 3 ? ky * 3 + kx : kTaps;
}

}  // namespace

uint32_t ScoreFp16Weights::halves(double low, double high) {
  const __half rounded[2] = {__double2half(low), __double2half(high)};
  for (const __half& half : rounded) finite_ = finite_ && std::isfinite(__half2float(half));
  return static_cast<uint32_t>(__half_as_ushort(rounded[0])) |
         static_cast<uint32_t>(__half_as_ushort(rounded[1])) << 16;
}

/// The tiles added from here on are this part.
void ScoreFp16Weights::begin(const kernels::TileWords* kernels::ScoreFp16Weights::*part) {
  tiles_.push_back({part, words_.size()});
}

/// A tile A of value(row, column).
template <typename Value>
void ScoreFp16Weights::add_a(Value&& value) {
  for (size_t lane = 0; lane < kLanes; ++lane) {
    for (size_t i = 0; i < kTileWords; ++i) {
      const size_t row = lane / 4 + i % 2 * 8;
      const size_t column = lane % 4 * 2 + i / 2 * 8;
      words_.push_back(halves(value(row, column), value(row, column + 1)));
    }
  }
}

/// Two tiles B, side by side.
template <typename Value>
void ScoreFp16Weights::add_b_pair(Value&& value) {
  for (size_t lane = 0; lane < kLanes; ++lane) {
    for (size_t i = 0; i < kTileWords; ++i) {
      const size_t row = lane % 4 * 2 + i % 2 * 8;
      const size_t column = lane / 4 + i / 2 * 8;
      words_.push_back(halves(value(row, column), value(row + 1, column)));
    }
  }
}

void ScoreFp16Weights::add(const float* kernels::ScoreFp16Weights::*part,
                           const std::vector<double>& numbers, double factor) {
  numbers_.push_back({part, words_.size()});
  for (const double number : numbers) {
    words_.push_back(std::bit_cast<uint32_t>(static_cast<float>(number * factor)));
  }
  while (words_.size() % kTileWords != 0) words_.push_back(0);  // what follows is aligned, too
}

std::optional<ScoreFp16Weights> ScoreFp16Weights::pack(const FoldedNetwork& n) {
  using Part = kernels::ScoreFp16Weights;
  ScoreFp16Weights packed;

  packed.begin(&Part::conv1);
  for (size_t pair = 0; pair < 2; ++pair) {
    packed.add_b_pair([&](size_t row, size_t column) {
      const size_t ky = row / 4;
      const size_t kx = row % 4;
      return ky < 3 && kx < 3 ? n.conv1_kernel[(ky * 3 + kx) * 32 + pair * kTile + column] : 0;
    });
  }
  packed.add(&Part::conv1_bias, n.conv1_bias, 255);
  packed.add(&Part::conv1_scale, n.conv1_scale, 1.0 / 255);
  packed.add(&Part::conv1_shift, n.conv1_shift);

  packed.begin(&Part::conv2);
  for (size_t tap = 0; tap < kTaps; ++tap) {
    for (size_t half = 0; half < 2; ++half) {
      for (size_t first = 0; first < 64; first += kTile) {
        packed.add_a([&](size_t row, size_t column) {
          const size_t in = half * kTile + column;
          return n.conv2_kernel[(tap * 32 + in) * 64 + first + even_then_odd(row)];
        });
      }
    }
  }
  packed.add(&Part::conv2_bias, n.conv2_bias);

  packed.begin(&Part::dense1);
  for (size_t first = 0; first < kFeatures; first += kTile) {
    packed.add_a(
        [&](size_t row, size_t column) { return n.latent_kernel[(first + column) * 16 + row]; });
  }
  packed.add(&Part::dense1_bias, n.latent_bias);

  packed.begin(&Part::map);
  for (size_t first = 0; first < 14 * 14 * 64; first += kTile) {
    packed.add_a([&](size_t row, size_t column) {
      return n.map[(first + even_then_odd(row)) * 16 + column];
    });
  }
  packed.add(&Part::map_bias, n.map_bias);
  packed.add(&Part::map_scale, n.map_scale);
  packed.add(&Part::map_shift, n.map_shift);

  packed.begin(&Part::transposed2);
  for (size_t tap = 0; tap < kTaps; ++tap) {
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      for (size_t pair = 0; pair < 2; ++pair) {
        packed.add_b_pair([&](size_t row, size_t column) {
          const size_t in = quarter * kTile + row;
          return n.transposed2_kernel[(tap * 64 + in) * 32 + pair * kTile + column];
        });
      }
    }
  }
  packed.add(&Part::transposed2_bias, n.transposed2_bias);

  // The normalisation before the last stage, folded: its scale into the weights, its shift into
  // what is added anyway.
  packed.begin(&Part::transposed3);
  for (size_t pixel = 0; pixel < 4; ++pixel) {
    for (size_t half = 0; half < 2; ++half) {
      packed.add_b_pair([&](size_t row, size_t column) {
        const size_t in = half * kTile + row;
        const size_t tap = last_tap(pixel, column % 8 / 4 * 2 + column / 8, column % 4);
        return tap < kTaps ? n.transposed3_kernel[tap * 32 + in] * n.transposed2_scale[in] : 0;
      });
    }
  }
  std::vector<double> patch(16);
  for (const size_t own : {5, 6, 9, 10}) patch[own] = n.transposed3_bias;
  for (size_t pixel = 0; pixel < 4; ++pixel) {
    for (size_t logit = 0; logit < patch.size(); ++logit) {
      const size_t tap = last_tap(pixel, logit / 4, logit % 4);
      for (size_t in = 0; tap < kTaps && in < 32; ++in) {
        patch[logit] += n.transposed3_kernel[tap * 32 + in] * n.transposed2_shift[in];
      }
    }
  }
  packed.add(&Part::transposed3_patch, patch);

  if (!packed.finite_) return std::nullopt;
  return packed;
}

kernels::ScoreFp16Weights ScoreFp16Weights::at(const uint32_t* copied) const {
  kernels::ScoreFp16Weights weights{};
  for (const auto& [pointer, offset] : tiles_) {
    weights.*pointer = reinterpret_cast<const kernels::TileWords*>(copied + offset);
  }
  for (const auto& [pointer, offset] : numbers_) {
    weights.*pointer = reinterpret_cast<const float*>(copied + offset);
  }
  return weights;
}

}  // namespace oddity::cuda
