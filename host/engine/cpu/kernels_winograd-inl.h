// The transforms of Winograd's minimal filtering (winograd.h). Included once for each instruction
// set.
#if defined(ODDITY_KERNELS_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ODDITY_KERNELS_WINOGRAD_INL_H_
#undef ODDITY_KERNELS_WINOGRAD_INL_H_
#else
#define ODDITY_KERNELS_WINOGRAD_INL_H_
#endif

#include <type_traits>

#include "engine/cpu/kernels_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE {

/// Whether a tile of N pixels has that kind.
constexpr bool has(int n, int kind) {
  return n == 3 || (kind != Kind::difference && kind != Kind::middle);
}

/// The inputs of a tile of N: even ones e(0) … e(N), N odd ones.
struct Inputs {
  static constexpr int even(Grids grid, int i) { return grid == Grids::large ? 2 * i : i; }
  // The window of the small grid begins a pixel before the tile: its odd inputs are the tile.
  static constexpr int odd(Grids grid, int i) { return grid == Grids::large ? 2 * i + 1 : i + 1; }
  static constexpr int pixels(Grids grid, int n) {
    return grid == Grids::large ? 2 * n + 1 : n + 1;
  }
  template <int N, int K, typename Even>
  static HWY_INLINE Vec transform(Even&& e) {
    if constexpr (N == 2) {
      if constexpr (K == Kind::a) return hn::Sub(e(0), e(1));
      if constexpr (K == Kind::sum) return e(1);
      if constexpr (K == Kind::b) return hn::Sub(e(2), e(1));
    } else {
      if constexpr (K == Kind::a) return hn::Sub(e(0), e(2));
      if constexpr (K == Kind::sum) return hn::Mul(broadcast(0.5f), hn::Add(e(1), e(2)));
      if constexpr (K == Kind::b) return hn::Sub(e(3), e(1));
      if constexpr (K == Kind::difference) return hn::Mul(broadcast(0.5f), hn::Sub(e(2), e(1)));
    }
    return zero();
  }
};

/// The gradients of a tile's outputs: N even ones, N odd ones; in the small grid the same.
struct Gradients {
  static constexpr int even(Grids grid, int i) { return grid == Grids::large ? 2 * i : i; }
  static constexpr int odd(Grids grid, int i) { return grid == Grids::large ? 2 * i + 1 : i; }
  static constexpr int pixels(Grids grid, int n) { return grid == Grids::large ? 2 * n : n; }
  template <int N, int K, typename Even>
  static HWY_INLINE Vec transform(Even&& g) {
    if constexpr (K == Kind::a) return g(0);
    if constexpr (K == Kind::b) return g(N - 1);
    if constexpr (N == 2) return hn::Add(g(0), g(1));
    const Vec outer = hn::Add(g(0), g(2));
    return K == Kind::sum ? hn::Add(outer, g(1)) : hn::Sub(outer, g(1));
  }
};

/// The number of kind K that a tile of N makes of its pixels.
template <typename Data, Grids G, int N, int K, typename Pixel>
HWY_INLINE Vec along(Pixel&& pixel) {
  if constexpr (K < Kind::first) {
    return Data::template transform<N, K>([&](int i) HWY_ATTR { return pixel(Data::even(G, i)); });
  } else {
    constexpr int i = K == Kind::first ? 0 : K == Kind::last ? N - 1 : 1;
    return pixel(Data::odd(G, i));
  }
}

/// Calls f(kind) for all kinds that a tile of N has, each a constant.
template <int N, int K = 0, typename F>
HWY_INLINE void for_kinds(F&& f) {
  if constexpr (has(N, K)) f(std::integral_constant<int, K>());
  if constexpr (K + 1 < Kind::count) for_kinds<N, K + 1>(f);
}

/// One vector of channels of a tile of NY × NX: a column of kinds at a time, so that what it is
/// made of stays in registers.
template <typename Data, Grids G, int NY, int NX>
HWY_INLINE void analyse(const TileStrip& strip, const float* window, float* out) {
  for_kinds<NX>([&](auto kx) HWY_ATTR {
    constexpr int kX = decltype(kx)::value;
    Vec column[Data::pixels(G, NY)];
    for (int y = 0; y < Data::pixels(G, NY); ++y) {
      column[y] = along<Data, G, NX, kX>(
          [&](int x) HWY_ATTR { return load(window + y * strip.row + x * strip.step); });
    }
    for_kinds<NY>([&](auto ky) HWY_ATTR {
      constexpr int kY = decltype(ky)::value;
      store(along<Data, G, NY, kY>([&](int y) HWY_ATTR { return column[y]; }),
            out + strip.tensor[Kind::count * kY + kX]);
    });
  });
}

template <typename Data, Grids G, int NY>
void analyse_strip(const TileStrip& strip, const float* first, float* out) {
  const int64_t channels = strip.vectors * kLanes;
  constexpr int64_t kScale = G == Grids::large ? 2 : 1;
  for (int64_t tile = 0; tile < strip.tiles; ++tile) {
    const bool three = tile < strip.threes;
    for (int64_t c = 0; c < channels; c += kLanes) {
      if (three) {
        analyse<Data, G, NY, 3>(strip, first + c, out + c);
      } else {
        analyse<Data, G, NY, 2>(strip, first + c, out + c);
      }
    }
    first += (three ? 3 : 2) * kScale * strip.step;
    out += channels;
  }
}

template <typename Data>
HWY_INLINE void analyse_any(const TileStrip& strip, Grids grid, const float* first, float* out) {
  if (grid == Grids::large) {
    strip.height == 3 ? analyse_strip<Data, Grids::large, 3>(strip, first, out)
                      : analyse_strip<Data, Grids::large, 2>(strip, first, out);
  } else {
    strip.height == 3 ? analyse_strip<Data, Grids::small, 3>(strip, first, out)
                      : analyse_strip<Data, Grids::small, 2>(strip, first, out);
  }
}

void winograd_inputs(const TileStrip& strip, Grids grid, const float* first, float* out) {
  analyse_any<Inputs>(strip, grid, first, out);
}

void winograd_gradients(const TileStrip& strip, Grids grid, const float* first, float* out) {
  analyse_any<Gradients>(strip, grid, first, out);
}

/// Result i of N from the products of a tile. Of the small grid's, whose odd products are part of
/// the first and last sums, the middle one comes by itself.
template <Grids G, int N, typename Product>
HWY_INLINE void results(Product&& product, Vec (&y)[3]) {
  using std::integral_constant;
  const Vec a = product(integral_constant<int, Kind::a>());
  const Vec sum = product(integral_constant<int, Kind::sum>());
  const Vec b = product(integral_constant<int, Kind::b>());
  if constexpr (N == 2) {
    y[0] = hn::Add(a, sum);
    y[1] = hn::Add(sum, b);
  } else {
    const Vec difference = product(integral_constant<int, Kind::difference>());
    const Vec both = hn::Add(sum, difference);
    y[0] = hn::Add(a, both);
    y[1] = hn::Sub(sum, difference);
    if constexpr (G == Grids::small) {
      y[1] = hn::Add(y[1], product(integral_constant<int, Kind::middle>()));
    }
    y[2] = hn::Add(both, b);
  }
}

/// The kind of odd pixel i of a tile of n.
constexpr int odd_kind(int n, int i) {
  return i == 0 ? Kind::first : i == n - 1 ? Kind::last : Kind::middle;
}

template <Grids G, int NY, int NX, typename Put>
HWY_INLINE void combine(const TileStrip& strip, const float* products, Put&& put) {
  const auto product = [&](int ky, int kx) HWY_ATTR {
    return load(products + strip.tensor[Kind::count * ky + kx]);
  };
  constexpr int kScale = G == Grids::large ? 2 : 1;
  // Down the columns of kinds first.
  Vec rows[3][Kind::count];
  for_kinds<NX>([&](auto kx) HWY_ATTR {
    constexpr int kX = decltype(kx)::value;
    if constexpr (G == Grids::large || (kX != Kind::first && kX != Kind::last)) {
      Vec y[3];
      results<G, NY>([&](auto ky) HWY_ATTR { return product(decltype(ky)::value, kX); }, y);
      ODDITY_UNROLL
      for (int i = 0; i < NY; ++i) rows[i][kX] = y[i];
    }
  });
  ODDITY_UNROLL
  for (int i = 0; i < NY; ++i) {
    Vec y[3];
    results<G, NX>([&](auto kx) HWY_ATTR { return rows[i][decltype(kx)::value]; }, y);
    ODDITY_UNROLL
    for (int j = 0; j < NX; ++j) {
      put(kScale * i, kScale * j, y[j]);
      if constexpr (G == Grids::large) put(2 * i, 2 * j + 1, rows[i][odd_kind(NX, j)]);
    }
  }
  if constexpr (G == Grids::large) {
    ODDITY_UNROLL
    for (int i = 0; i < NY; ++i) {
      const int ky = odd_kind(NY, i);
      Vec y[3];
      results<G, NX>([&](auto kx) HWY_ATTR { return product(ky, decltype(kx)::value); }, y);
      ODDITY_UNROLL
      for (int j = 0; j < NX; ++j) {
        put(2 * i + 1, 2 * j, y[j]);
        put(2 * i + 1, 2 * j + 1, product(ky, odd_kind(NX, j)));
      }
    }
  }
}

template <Grids G, int NY>
void combine_strip(const TileStrip& strip, const float* products, const ConvOperands& o,
                   float* first) {
  const int64_t channels = strip.vectors * kLanes;
  constexpr int64_t kScale = G == Grids::large ? 2 : 1;
  const Vec slope = broadcast(o.slope);
  for (int64_t tile = 0; tile < strip.tiles; ++tile) {
    const bool three = tile < strip.threes;
    for (int64_t c = 0; c < channels; c += kLanes) {
      const Vec bias = o.bias != nullptr ? load(o.bias + c) : zero();
      const Vec scale = o.scale != nullptr ? load(o.scale + c) : broadcast(1.0f);
      const Vec shift = o.shift != nullptr ? load(o.shift + c) : zero();
      const auto put = [&](int y, int x, Vec sum) HWY_ATTR {
        const Vec value = hn::Add(sum, bias);
        store(hn::MulAdd(hn::Max(value, hn::Mul(value, slope)), scale, shift),
              first + c + y * strip.row + x * strip.step);
      };
      if (three) {
        combine<G, NY, 3>(strip, products + c, put);
      } else {
        combine<G, NY, 2>(strip, products + c, put);
      }
    }
    first += (three ? 3 : 2) * kScale * strip.step;
    products += channels;
  }
}

void winograd_outputs(const TileStrip& strip, Grids grid, const float* products,
                      const ConvOperands& o, float* first) {
  if (grid == Grids::large) {
    strip.height == 3 ? combine_strip<Grids::large, 3>(strip, products, o, first)
                      : combine_strip<Grids::large, 2>(strip, products, o, first);
  } else {
    strip.height == 3 ? combine_strip<Grids::small, 3>(strip, products, o, first)
                      : combine_strip<Grids::small, 2>(strip, products, o, first);
  }
}

void winograd_weights(const std::array<const float*, 9>& taps, int64_t n, float* out,
                      int64_t stride) {
  for (int64_t i = 0; i < n; i += kLanes) {
    // (a, b, the odd one) to (a, a + b, b, a − b, the odd one).
    const auto spread = [](Vec a, Vec b, Vec odd, Vec(&m)[5]) HWY_ATTR {
      m[0] = a;
      m[1] = hn::Add(a, b);
      m[2] = b;
      m[3] = hn::Sub(a, b);
      m[4] = odd;
    };
    Vec rows[3][5];
    for (size_t y = 0; y < 3; ++y) {
      spread(load(taps[3 * y] + i), load(taps[3 * y + 1] + i), load(taps[3 * y + 2] + i), rows[y]);
    }
    for (int64_t x = 0; x < 5; ++x) {
      Vec column[5];
      spread(rows[0][x], rows[1][x], rows[2][x], column);
      for (int64_t y = 0; y < 5; ++y) store(column[y], out + (5 * y + x) * stride + i);
    }
  }
}

void winograd_taps(const float* in, int64_t stride, int64_t n, const std::array<float*, 9>& taps,
                   Begin begin) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const auto gather = [](const Vec(&m)[5], Vec(&t)[3]) HWY_ATTR {
      t[0] = hn::Add(m[0], hn::Add(m[1], m[3]));
      t[1] = hn::Add(m[2], hn::Sub(m[1], m[3]));
      t[2] = m[4];
    };
    Vec rows[5][3];
    for (int64_t y = 0; y < 5; ++y) {
      Vec row[5];
      for (int64_t x = 0; x < 5; ++x) row[x] = load(in + (5 * y + x) * stride + i);
      gather(row, rows[y]);
    }
    for (size_t x = 0; x < 3; ++x) {
      const Vec column[5] = {rows[0][x], rows[1][x], rows[2][x], rows[3][x], rows[4][x]};
      Vec t[3];
      gather(column, t);
      for (size_t y = 0; y < 3; ++y) {
        float* const tap = taps[3 * y + x] + i;
        store(begin == Begin::from_output ? hn::Add(load(tap), t[y]) : t[y], tap);
      }
    }
  }
}

}  // namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
