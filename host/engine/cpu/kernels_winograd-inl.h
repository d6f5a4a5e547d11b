// The transforms of Winograd's minimal filtering (winograd.h). Included once for each instruction
// set.
#if defined(ODDITY_KERNELS_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ODDITY_KERNELS_WINOGRAD_INL_H_
#undef ODDITY_KERNELS_WINOGRAD_INL_H_
#else
#define ODDITY_KERNELS_WINOGRAD_INL_H_
#endif

#include "engine/cpu/kernels_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::HWY_NAMESPACE {

struct Three {
  Vec v[3];
};

HWY_INLINE Three of_inputs(Vec d0, Vec d1, Vec d2) {
  return {{hn::Sub(d0, d1), d1, hn::Sub(d2, d1)}};
}
HWY_INLINE Three of_gradients(Vec g0, Vec g1) { return {{g0, hn::Add(g0, g1), g1}}; }

/// The second direction: rows that are transformed already, down their columns, put as 3a + b.
template <typename Put>
HWY_INLINE void put_square(const Three (&rows)[3], Put&& put) {
  for (int64_t b = 0; b < 3; ++b) {
    const Three column = of_inputs(rows[0].v[b], rows[1].v[b], rows[2].v[b]);
    for (int64_t a = 0; a < 3; ++a) put(3 * a + b, column.v[a]);
  }
}
template <typename Put>
HWY_INLINE void put_square(const Three (&rows)[2], Put&& put) {
  for (int64_t b = 0; b < 3; ++b) {
    const Three column = of_gradients(rows[0].v[b], rows[1].v[b]);
    for (int64_t a = 0; a < 3; ++a) put(3 * a + b, column.v[a]);
  }
}

/// The way back of both: put(y, x, …) of two results in each direction from the products 3a + b.
template <typename Product, typename Put>
HWY_INLINE void put_results(Product&& product, Put&& put) {
  Vec rows[2][3];
  for (int64_t b = 0; b < 3; ++b) {
    const Vec middle = product(3 + b);
    rows[0][b] = hn::Add(product(b), middle);
    rows[1][b] = hn::Add(middle, product(6 + b));
  }
  for (int64_t y = 0; y < 2; ++y) {
    put(y, 0, hn::Add(rows[y][0], rows[y][1]));
    put(y, 1, hn::Add(rows[y][1], rows[y][2]));
  }
}

/// Calls transform(pixel(y, x) → Vec, put(tensor, Vec)) for each tile and vector of a strip.
template <typename Transform>
HWY_INLINE void for_tiles(const TileStrip& strip, int64_t pixels_a_tile, const float* first,
                          float* out, Transform&& transform) {
  const int64_t channels = strip.vectors * kLanes;
  for (int64_t tile = 0; tile < strip.tiles; ++tile) {
    for (int64_t c = 0; c < channels; c += kLanes) {
      const float* window = first + tile * pixels_a_tile * strip.step + c;
      float* target = out + tile * channels + c;
      transform([&](int64_t y, int64_t x)
                    HWY_ATTR { return load(window + y * strip.row + x * strip.step); },
                [&](int64_t tensor, Vec value)
                    HWY_ATTR { store(value, target + tensor * strip.tensor); });
    }
  }
}

void winograd_small_inputs(const TileStrip& strip, const float* first, float* out) {
  for_tiles(strip, 2, first, out, [](auto pixel, auto put) HWY_ATTR {
    Three rows[3];
    for (int64_t y = 0; y < 3; ++y) rows[y] = of_inputs(pixel(y, 0), pixel(y, 1), pixel(y, 2));
    put_square(rows, put);
    for (int64_t b = 0; b < 3; ++b) put(12 + b, rows[2].v[b]);
    const Three last = of_inputs(pixel(0, 2), pixel(1, 2), pixel(2, 2));
    for (int64_t a = 0; a < 3; ++a) put(9 + a, last.v[a]);
    put(15, pixel(2, 2));
  });
}

void winograd_large_inputs(const TileStrip& strip, const float* first, float* out) {
  for_tiles(strip, 4, first, out, [](auto pixel, auto put) HWY_ATTR {
    Three rows[3];
    for (int64_t y = 0; y < 3; ++y) {
      rows[y] = of_inputs(pixel(2 * y, 0), pixel(2 * y, 2), pixel(2 * y, 4));
    }
    put_square(rows, put);
    for (int64_t i = 0; i < 2; ++i) {
      const int64_t odd = 2 * i + 1;
      const Three column = of_inputs(pixel(0, odd), pixel(2, odd), pixel(4, odd));
      const Three row = of_inputs(pixel(odd, 0), pixel(odd, 2), pixel(odd, 4));
      for (int64_t a = 0; a < 3; ++a) {
        put(9 + 3 * i + a, column.v[a]);
        put(15 + 3 * i + a, row.v[a]);
      }
      for (int64_t k = 0; k < 2; ++k) put(21 + 2 * i + k, pixel(odd, 2 * k + 1));
    }
  });
}

void winograd_small_gradients(const TileStrip& strip, const float* first, float* out) {
  for_tiles(strip, 2, first, out, [](auto pixel, auto put) HWY_ATTR {
    const Three rows[2] = {of_gradients(pixel(0, 0), pixel(0, 1)),
                           of_gradients(pixel(1, 0), pixel(1, 1))};
    put_square(rows, put);
  });
}

void winograd_large_gradients(const TileStrip& strip, const float* first, float* out) {
  for_tiles(strip, 4, first, out, [](auto pixel, auto put) HWY_ATTR {
    const Three rows[2] = {of_gradients(pixel(0, 0), pixel(0, 2)),
                           of_gradients(pixel(2, 0), pixel(2, 2))};
    put_square(rows, put);
    for (int64_t i = 0; i < 2; ++i) {
      const int64_t odd = 2 * i + 1;
      const Three column = of_gradients(pixel(0, odd), pixel(2, odd));
      const Three row = of_gradients(pixel(odd, 0), pixel(odd, 2));
      for (int64_t a = 0; a < 3; ++a) {
        put(9 + 3 * i + a, column.v[a]);
        put(15 + 3 * i + a, row.v[a]);
      }
      for (int64_t k = 0; k < 2; ++k) put(21 + 2 * i + k, pixel(odd, 2 * k + 1));
    }
  });
}

/// Calls combine(product(p) → Vec, put(y, x, Vec)) for each tile and vector; what is put is
/// finished as ConvOperands say.
template <typename Combine>
HWY_INLINE void for_outputs(const TileStrip& strip, int64_t pixels_a_tile, const float* products,
                            const ConvOperands& o, float* first, Combine&& combine) {
  const int64_t channels = strip.vectors * kLanes;
  const Vec slope = broadcast(o.slope);
  for (int64_t c = 0; c < channels; c += kLanes) {
    const Vec bias = o.bias != nullptr ? load(o.bias + c) : zero();
    const Vec scale = o.scale != nullptr ? load(o.scale + c) : broadcast(1.0f);
    const Vec shift = o.shift != nullptr ? load(o.shift + c) : zero();
    for (int64_t tile = 0; tile < strip.tiles; ++tile) {
      const float* source = products + tile * channels + c;
      float* target = first + tile * pixels_a_tile * strip.step + c;
      combine([&](int64_t product) HWY_ATTR { return load(source + product * strip.tensor); },
              [&](int64_t y, int64_t x, Vec sum) HWY_ATTR {
                const Vec value = hn::Add(sum, bias);
                store(hn::MulAdd(hn::Max(value, hn::Mul(value, slope)), scale, shift),
                      target + y * strip.row + x * strip.step);
              });
    }
  }
}

void winograd_small_outputs(const TileStrip& strip, const float* products, const ConvOperands& o,
                            float* first) {
  for_outputs(strip, 2, products, o, first,
              [](auto product, auto put) HWY_ATTR { put_results(product, put); });
}

void winograd_large_outputs(const TileStrip& strip, const float* products, const ConvOperands& o,
                            float* first) {
  for_outputs(strip, 4, products, o, first, [](auto product, auto put) HWY_ATTR {
    put_results(product, [&](int64_t y, int64_t x, Vec sum) HWY_ATTR { put(2 * y, 2 * x, sum); });
    for (int64_t i = 0; i < 2; ++i) {
      const int64_t odd = 2 * i + 1;
      const Vec down = product(9 + 3 * i + 1), across = product(15 + 3 * i + 1);
      put(0, odd, hn::Add(product(9 + 3 * i), down));
      put(2, odd, hn::Add(down, product(9 + 3 * i + 2)));
      put(odd, 0, hn::Add(product(15 + 3 * i), across));
      put(odd, 2, hn::Add(across, product(15 + 3 * i + 2)));
      for (int64_t k = 0; k < 2; ++k) put(odd, 2 * k + 1, product(21 + 2 * i + k));
    }
  });
}

void winograd_weights(const std::array<const float*, 9>& taps, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const auto tap = [&](size_t t) HWY_ATTR { return load(taps[t] + i); };
    const auto put = [&](int64_t m, Vec value) HWY_ATTR { store(value, out + m * n + i); };
    const Three rows[2] = {of_gradients(tap(0), tap(1)), of_gradients(tap(2), tap(3))};
    put_square(rows, put);
    const Three down = of_gradients(tap(4), tap(5)), across = of_gradients(tap(6), tap(7));
    for (int64_t a = 0; a < 3; ++a) {
      put(9 + a, down.v[a]);
      put(12 + a, across.v[a]);
    }
    put(15, tap(8));
  }
}

void winograd_taps(const float* in, int64_t n, const std::array<float*, 9>& taps) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const auto matrix = [&](int64_t m) HWY_ATTR { return load(in + m * n + i); };
    const auto put = [&](size_t t, Vec value) HWY_ATTR { store(value, taps[t] + i); };
    put_results(matrix, [&](int64_t y, int64_t x, Vec sum)
                            HWY_ATTR { put(static_cast<size_t>(2 * y + x), sum); });
    put(4, hn::Add(matrix(9), matrix(10)));
    put(5, hn::Add(matrix(10), matrix(11)));
    put(6, hn::Add(matrix(12), matrix(13)));
    put(7, hn::Add(matrix(13), matrix(14)));
    put(8, matrix(15));
  }
}

}  // namespace oddity::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
