// The convolution micro-kernel. Included once for each instruction set (kernels_table-inl.h).
#if defined(ODDITY_KERNELS_CONV_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ODDITY_KERNELS_CONV_INL_H_
#undef ODDITY_KERNELS_CONV_INL_H_
#else
#define ODDITY_KERNELS_CONV_INL_H_
#endif

#include "engine/cpu/kernels_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE {

// A tile is two segments of N neighbouring positions, a and b, times V vectors of output channels:
// its 2·N·V sums stay in registers over the whole window (28 of 32 registers for N = 7, V = 2).
// Each input number is broadcast to V multiply-adds, each weight vector serves 2·N.
constexpr int64_t kMaxSegment = kRegisters == 32 ? 7 : 3;

struct Tile {
  const float *a, *b;  // windows of the first position of each segment
  float *out_a, *out_b;
};

template <int N, int V>
HWY_NOINLINE void conv_tile(const ConvPass& pass, const ConvOperands& o, const Tile& tile,
                            const float* HWY_RESTRICT block, int64_t channel) {
  Vec a[N][V], b[N][V];
  ODDITY_UNROLL
  for (int v = 0; v < V; ++v) {
    const Vec bias = o.bias != nullptr ? load(o.bias + channel + v * kLanes) : zero();
    ODDITY_UNROLL
    for (int i = 0; i < N; ++i) a[i][v] = b[i][v] = bias;
  }
  const int64_t step = pass.in_step;
  for (int tap = 0; tap < pass.taps; ++tap) {
    const float* xa = tile.a + pass.tap_offset[static_cast<size_t>(tap)];
    const float* xb = tile.b + pass.tap_offset[static_cast<size_t>(tap)];
    const float* HWY_RESTRICT weights =
        block + pass.tap_input[static_cast<size_t>(tap)] * V * kLanes;
    for (int64_t k = 0; k < o.in_channels; ++k, ++xa, ++xb, weights += V * kLanes) {
      Vec w[V];
      ODDITY_UNROLL
      for (int v = 0; v < V; ++v) w[v] = load(weights + v * kLanes);
      ODDITY_UNROLL
      for (int i = 0; i < N; ++i) {
        const Vec x = broadcast(xa[i * step]);
        ODDITY_UNROLL
        for (int v = 0; v < V; ++v) a[i][v] = hn::MulAdd(x, w[v], a[i][v]);
      }
      ODDITY_UNROLL
      for (int i = 0; i < N; ++i) {
        const Vec x = broadcast(xb[i * step]);
        ODDITY_UNROLL
        for (int v = 0; v < V; ++v) b[i][v] = hn::MulAdd(x, w[v], b[i][v]);
      }
    }
  }
  const Vec slope = broadcast(o.slope);
  ODDITY_UNROLL
  for (int v = 0; v < V; ++v) {
    const Vec scale = o.scale != nullptr ? load(o.scale + channel + v * kLanes) : broadcast(1.0f);
    const Vec shift = o.shift != nullptr ? load(o.shift + channel + v * kLanes) : zero();
    const auto finish = [&](Vec y) HWY_ATTR {
      return hn::MulAdd(hn::Max(y, hn::Mul(y, slope)), scale, shift);
    };
    ODDITY_UNROLL
    for (int i = 0; i < N; ++i) {
      store(finish(a[i][v]), tile.out_a + i * pass.out_step + v * kLanes);
      store(finish(b[i][v]), tile.out_b + i * pass.out_step + v * kLanes);
    }
  }
}

using ConvTile = void (*)(const ConvPass&, const ConvOperands&, const Tile&, const float*, int64_t);

template <int V>
ConvTile conv_tile_of(int64_t segment) {
  switch (segment) {
    case 1:
      return conv_tile<1, V>;
    case 2:
      return conv_tile<2, V>;
    case 3:
      return conv_tile<3, V>;
#if ODDITY_REGISTERS == 32
    case 4:
      return conv_tile<4, V>;
    case 5:
      return conv_tile<5, V>;
    case 6:
      return conv_tile<6, V>;
    case 7:
      return conv_tile<7, V>;
#endif
    default:
      return nullptr;
  }
}

/// Length of the segments that `rows` rows of `width` positions are cut into; the last of a row
/// overlaps its neighbour where they do not fit, and an odd one out goes twice through a tile
/// (the same sums, stored twice). Cost of a tile: its multiply-adds plus about two cycles of loads
/// and loop.
inline int64_t segment_length(int64_t width, int64_t rows) {
  int64_t best = 1;
  int64_t least = std::numeric_limits<int64_t>::max();
  // Unrolled, so that the divisors are constants.
  ODDITY_UNROLL
  for (int64_t n = 1; n <= kMaxSegment; ++n) {
    if (n > width) break;
    const int64_t tiles = (rows * ((width + n - 1) / n) + 1) / 2;
    const int64_t cost = tiles * (4 * n + 2);
    if (cost <= least) {
      least = cost;
      best = n;
    }
  }
  return best;
}

void conv(const ConvPass& pass, const ConvOperands& o) {
  const int64_t length = segment_length(pass.width, o.images * pass.rows);
  const int64_t segments = (pass.width + length - 1) / length;
  const int64_t total = o.images * pass.rows * segments;

  for (int64_t vector = 0; vector < o.out_vectors; vector += 2) {
    const int64_t block_vectors = std::min<int64_t>(2, o.out_vectors - vector);
    const ConvTile tile_function =
        block_vectors == 2 ? conv_tile_of<2>(length) : conv_tile_of<1>(length);
    const float* weights = o.weights + vector * kLanes * o.block_inputs;
    int64_t image = 0, row = 0, segment = 0;
    const float* in = nullptr;
    float* out = nullptr;
    const auto next = [&] {
      const int64_t x = std::min(segment * length, pass.width - length);
      in = o.in + image * o.in_image + pass.in_offset + row * pass.in_row + x * pass.in_step;
      out = o.out + image * o.out_image + pass.out_offset + row * pass.out_row + x * pass.out_step +
            vector * kLanes;
      if (++segment == segments) {
        segment = 0;
        if (++row == pass.rows) {
          row = 0;
          ++image;
        }
      }
    };
    for (int64_t i = 0; i < total; i += 2) {
      Tile tile;
      next();
      tile.a = in;
      tile.out_a = out;
      if (i + 1 < total) next();  // an odd one out is computed twice
      tile.b = in;
      tile.out_b = out;
      tile_function(pass, o, tile, weights, vector * kLanes);
    }
  }
}

}  // namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
