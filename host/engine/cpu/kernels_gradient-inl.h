// Weight gradients. Included once for each instruction set (kernels_table-inl.h).
#if defined(ODDITY_KERNELS_GRADIENT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ODDITY_KERNELS_GRADIENT_INL_H_
#undef ODDITY_KERNELS_GRADIENT_INL_H_
#else
#define ODDITY_KERNELS_GRADIENT_INL_H_
#endif

#include <hwy/cache_control.h>

#include "engine/cpu/kernels_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE {

// I inputs times V vectors of outputs stay in registers over all positions.
constexpr int64_t kMaxInputs = kRegisters == 32 ? 8 : 4;

struct GradientTile {
  const float *x, *g;
  int64_t rows, width, x_row, x_step, g_row, g_step;
};

template <int I, int V>
HWY_NOINLINE void gradient_tile(const GradientTile& t, Begin begin, float* HWY_RESTRICT dw) {
  Vec sum[I][V];
  ODDITY_UNROLL
  for (int i = 0; i < I; ++i) {
    ODDITY_UNROLL
    for (int v = 0; v < V; ++v) sum[i][v] = zero();
  }
  if (begin == Begin::from_output) {
    ODDITY_UNROLL
    for (int i = 0; i < I; ++i) {
      ODDITY_UNROLL
      for (int v = 0; v < V; ++v) sum[i][v] = load(dw + (i * V + v) * kLanes);
    }
  }
  for (int64_t row = 0; row < t.rows; ++row) {
    const float* x = t.x + row * t.x_row;
    const float* g = t.g + row * t.g_row;
    for (int64_t p = 0; p < t.width; ++p, x += t.x_step, g += t.g_step) {
      Vec gradient[V];
      ODDITY_UNROLL
      for (int v = 0; v < V; ++v) gradient[v] = load(g + v * kLanes);
      ODDITY_UNROLL
      for (int i = 0; i < I; ++i) {
        const Vec input = broadcast(x[i]);
        ODDITY_UNROLL
        for (int v = 0; v < V; ++v) sum[i][v] = hn::MulAdd(input, gradient[v], sum[i][v]);
      }
    }
  }
  ODDITY_UNROLL
  for (int i = 0; i < I; ++i) {
    ODDITY_UNROLL
    for (int v = 0; v < V; ++v) store(sum[i][v], dw + (i * V + v) * kLanes);
  }
}

/// All input channels of one tap and one block of V output vectors.
template <int V>
void gradient_channels(GradientTile tile, int64_t channels, Begin begin, float* dw) {
  while (channels > 0) {
    int64_t inputs = 1;
    if (kMaxInputs >= 8 && channels >= 8) {
      gradient_tile<8, V>(tile, begin, dw);
      inputs = 8;
    } else if (channels >= 4) {
      gradient_tile<4, V>(tile, begin, dw);
      inputs = 4;
    } else if (channels >= 2) {
      gradient_tile<2, V>(tile, begin, dw);
      inputs = 2;
    } else {
      gradient_tile<1, V>(tile, begin, dw);
    }
    tile.x += inputs;
    dw += inputs * V * kLanes;
    channels -= inputs;
  }
}

void weight_gradient(const GradientPass& pass, const float* x, const float* g, int64_t in_channels,
                     int64_t out_vectors, float* dw, int64_t block_inputs, int64_t first_input,
                     Begin begin) {
  // As many rows at a time as leave the inputs, read once a tap and block, in the first-level
  // cache.
  constexpr int64_t kCachedFloats = 6272;
  const int64_t row_floats = std::max<int64_t>(1, pass.width * std::abs(pass.x_step));
  const int64_t most_rows = std::clamp<int64_t>(kCachedFloats / row_floats, 1, pass.rows);
  const int64_t parts = (pass.rows + most_rows - 1) / most_rows;
  const int64_t rows_at_once = (pass.rows + parts - 1) / parts;
  for (int64_t row = 0; row < pass.rows; row += rows_at_once) {
    const Begin from = row == 0 ? begin : Begin::from_output;
    for (int64_t vector = 0; vector < out_vectors; vector += 2) {
      const int64_t block_vectors = std::min<int64_t>(2, out_vectors - vector);
      for (int tap = 0; tap < pass.taps; ++tap) {
        const auto t = static_cast<size_t>(tap);
        const int64_t rows_left = pass.rows - pass.rows_left_out[t] - row;
        if (rows_left <= 0 && row > 0) continue;
        const GradientTile tile{x + pass.x_offset[t] + row * pass.x_row,
                                g + pass.g_offset[t] + row * pass.g_row + vector * kLanes,
                                std::min(rows_at_once, rows_left),
                                pass.width,
                                pass.x_row,
                                pass.x_step,
                                pass.g_row,
                                pass.g_step};
        float* tap_dw = dw + vector * kLanes * block_inputs +
                        (first_input + tap * in_channels) * block_vectors * kLanes;
        if (block_vectors == 2) {
          gradient_channels<2>(tile, in_channels, from, tap_dw);
        } else {
          gradient_channels<1>(tile, in_channels, from, tap_dw);
        }
      }
    }
  }
}

/// Nine taps of one channel in registers; V = 2 needs 9·2 + 5 registers.
template <int V>
HWY_NOINLINE void window_tile(const GradientTile& t, const float* centre, int64_t window_row,
                              int64_t channels, float* HWY_RESTRICT dw, int64_t dw_tap) {
  Vec middle[V];
  ODDITY_UNROLL
  for (int v = 0; v < V; ++v) {
    middle[v] = centre != nullptr ? load(centre + v * kLanes) : zero();
  }
  Vec sum[9][V];
  ODDITY_UNROLL
  for (int tap = 0; tap < 9; ++tap) {
    ODDITY_UNROLL
    for (int v = 0; v < V; ++v) sum[tap][v] = load(dw + tap * dw_tap + v * kLanes);
  }
  for (int64_t row = 0; row < t.rows; ++row) {
    const float* x = t.x + row * t.x_row;
    const float* g = t.g + row * t.g_row;
    for (int64_t p = 0; p < t.width; ++p, x += t.x_step, g += t.g_step) {
      Vec gradient[V];
      ODDITY_UNROLL
      for (int v = 0; v < V; ++v) gradient[v] = hn::Sub(load(g + v * kLanes), middle[v]);
      ODDITY_UNROLL
      for (int tap = 0; tap < 9; ++tap) {
        const Vec input = broadcast(x[tap / 3 * window_row + tap % 3 * channels]);
        ODDITY_UNROLL
        for (int v = 0; v < V; ++v) sum[tap][v] = hn::MulAdd(input, gradient[v], sum[tap][v]);
      }
    }
  }
  ODDITY_UNROLL
  for (int tap = 0; tap < 9; ++tap) {
    ODDITY_UNROLL
    for (int v = 0; v < V; ++v) store(sum[tap][v], dw + tap * dw_tap + v * kLanes);
  }
}

void window_gradient(const GradientPass& pass, int64_t window_row, const float* x, const float* g,
                     const float* centre, int64_t channels, int64_t out_vectors, float* dw) {
  for (int64_t vector = 0; vector < out_vectors; vector += 2) {
    const int64_t block_vectors = std::min<int64_t>(2, out_vectors - vector);
    for (int64_t channel = 0; channel < channels; ++channel) {
      float* block = dw + vector * kLanes * 9 * channels + channel * block_vectors * kLanes;
      GradientTile tile{x + pass.x_offset[0] + channel,
                        g + pass.g_offset[0] + vector * kLanes,
                        pass.rows,
                        pass.width,
                        pass.x_row,
                        pass.x_step,
                        pass.g_row,
                        pass.g_step};
      const auto centre_of = [&](int64_t v) {
        return centre == nullptr ? nullptr : centre + (vector + v) * kLanes;
      };
      if (block_vectors == 2 && kRegisters == 32) {
        window_tile<2>(tile, centre_of(0), window_row, channels, block, channels * 2 * kLanes);
        continue;
      }
      for (int64_t v = 0; v < block_vectors; ++v, tile.g += kLanes) {
        window_tile<1>(tile, centre_of(v), window_row, channels, block + v * kLanes,
                       channels * block_vectors * kLanes);
      }
    }
  }
}

/// The squares of four by four in the lanes of 128-bit vectors, which every instruction set has.
void transpose(const float* in, int64_t in_row, int64_t rows, int64_t columns, float* out,
               int64_t out_row) {
  const hn::FixedTag<float, 4> tag;
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (int64_t r = 0; r < whole_rows; r += 4) {
    for (int64_t c = 0; c < whole_columns; c += 4) {
      const float* const from = in + r * in_row + c;
      const auto a = hn::LoadU(tag, from), b = hn::LoadU(tag, from + in_row);
      const auto d = hn::LoadU(tag, from + 2 * in_row), e = hn::LoadU(tag, from + 3 * in_row);
      const auto ad_low = hn::InterleaveLower(tag, a, d), ad_high = hn::InterleaveUpper(tag, a, d);
      const auto be_low = hn::InterleaveLower(tag, b, e), be_high = hn::InterleaveUpper(tag, b, e);
      float* const to = out + c * out_row + r;
      hn::StoreU(hn::InterleaveLower(tag, ad_low, be_low), tag, to);
      hn::StoreU(hn::InterleaveUpper(tag, ad_low, be_low), tag, to + out_row);
      hn::StoreU(hn::InterleaveLower(tag, ad_high, be_high), tag, to + 2 * out_row);
      hn::StoreU(hn::InterleaveUpper(tag, ad_high, be_high), tag, to + 3 * out_row);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; ++c) {
      out[c * out_row + r] = in[r * in_row + c];
    }
  }
}

void add_rows(const float* rows, int64_t count, int64_t stride, int64_t vectors, float* sum) {
  for (int64_t v = 0; v < vectors; ++v) {
    Vec total = load(sum + v * kLanes);
    for (int64_t i = 0; i < count; ++i) {
      total = hn::Add(total, load(rows + i * stride + v * kLanes));
    }
    store(total, sum + v * kLanes);
  }
}

void adam(float* w, float* m, float* v, const float* g, int64_t n, int64_t parts,
          int64_t part_stride, float step_size) {
  const Vec one_minus_beta1 = broadcast(0.1f);
  const Vec one_minus_beta2 = broadcast(0.001f);
  const Vec epsilon = broadcast(1e-7f);
  const Vec size = broadcast(step_size);
  for (int64_t i = 0; i < n; i += kLanes) {
    Vec gradient = load(g + i);
    for (int64_t part = 1; part < parts; ++part) {
      gradient = hn::Add(gradient, load(g + part * part_stride + i));
    }
    Vec first = load(m + i);
    Vec second = load(v + i);
    first = hn::MulAdd(hn::Sub(gradient, first), one_minus_beta1, first);
    second = hn::MulAdd(hn::Sub(hn::Mul(gradient, gradient), second), one_minus_beta2, second);
    store(first, m + i);
    store(second, v + i);
    const Vec denominator = hn::Add(hn::Sqrt(second), epsilon);
    // Past the caches: the other cores have read the weights, and to take each line from them took
    // three times as long as all the rest.
    hn::Stream(hn::Sub(load(w + i), hn::Div(hn::Mul(first, size), denominator)), Tag(), w + i);
  }
  hwy::FlushStream();
}

}  // namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
