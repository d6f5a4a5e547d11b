// The last layer: few channels out, sigmoid, squared error. Included once for each instruction set.
#if defined(ODDITY_KERNELS_PIXELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ODDITY_KERNELS_PIXELS_INL_H_
#undef ODDITY_KERNELS_PIXELS_INL_H_
#else
#define ODDITY_KERNELS_PIXELS_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>

#include "engine/cpu/kernels_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE {

/// The sums of the lanes of a, b, c and d, to out[0…3].
HWY_INLINE void store_four_sums(Vec a, Vec b, Vec c, Vec d, float* out) {
  const Tag tag;
  // Within each 128-bit block: first two halves of pairs, then the quarters, in the order a b c d.
  const Vec ac = hn::Add(hn::InterleaveLower(tag, a, c), hn::InterleaveUpper(tag, a, c));
  const Vec bd = hn::Add(hn::InterleaveLower(tag, b, d), hn::InterleaveUpper(tag, b, d));
  const Vec all = hn::Add(hn::InterleaveLower(tag, ac, bd), hn::InterleaveUpper(tag, ac, bd));
  HWY_ALIGN float blocks[kLanes];
  hn::Store(all, tag, blocks);
  const hn::FixedTag<float, 4> quarter;
  auto sum = hn::Load(quarter, blocks);
  for (int64_t block = 4; block < kLanes; block += 4) {
    sum = hn::Add(sum, hn::Load(quarter, blocks + block));
  }
  hn::StoreU(sum, quarter, out);
}

void conv_to_pixels(const Pixels& in_pixels, const float* in, const float* weights,
                    const float* bias, int64_t depth, float* logits) {
  constexpr int kPositions = 4;
  const int64_t stride = in_pixels.vectors * kLanes;
  for (int64_t d = 0; d < depth; ++d) {
    for (int64_t row = 0; row < in_pixels.rows; ++row) {
      for (int64_t x = 0; x < in_pixels.width; x += kPositions) {
        Vec sum[kPositions] = {zero(), zero(), zero(), zero()};
        for (int64_t ky = 0; ky < 3; ++ky) {
          const float* window = in + (row + ky) * in_pixels.row + x * stride;
          for (int64_t vector = 0; vector < in_pixels.vectors; ++vector) {
            const auto [first, row_length] = packed_vector(vector, in_pixels.vectors, 9 * depth);
            Vec w[3];
            ODDITY_UNROLL
            for (int64_t kx = 0; kx < 3; ++kx) {
              // The window slides the other way: tap (2 − ky, 2 − kx).
              w[kx] = load(weights + first + (((2 - ky) * 3 + 2 - kx) * depth + d) * row_length);
            }
            Vec pixel[kPositions + 2];
            ODDITY_UNROLL
            for (int64_t p = 0; p < kPositions + 2; ++p) {
              pixel[p] = load(window + p * stride + vector * kLanes);
            }
            ODDITY_UNROLL
            for (int64_t p = 0; p < kPositions; ++p) {
              sum[p] = hn::MulAdd(pixel[p], w[0], sum[p]);
              sum[p] = hn::MulAdd(pixel[p + 1], w[1], sum[p]);
              sum[p] = hn::MulAdd(pixel[p + 2], w[2], sum[p]);
            }
          }
        }
        float sums[kPositions];
        store_four_sums(sum[0], sum[1], sum[2], sum[3], sums);
        float* out = logits + (row * in_pixels.width + x) * depth + d;
        for (int64_t p = 0; p < std::min<int64_t>(kPositions, in_pixels.width - x); ++p) {
          out[p * depth] = sums[p] + bias[d];
        }
      }
    }
  }
}

HWY_INLINE Vec sigmoid(Vec x) {
  const Vec one = broadcast(1.0f);
  // Highway's Exp is defined below 104 only, and loses NaN.
  const Vec exponential = hn::Exp(Tag(), hn::Min(hn::Neg(x), broadcast(88.0f)));
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Div(one, hn::Add(one, exponential)));
}

// Numbers summed in float32 before a sum goes on in float64; a whole number of vectors.
constexpr int64_t kFloatNumbers = 1024;

/// e = sigmoid(logits) − x of `count` numbers, 0 behind them; p is the sigmoid.
HWY_INLINE Vec reconstruction_difference(const float* logits, const float* x, int64_t count,
                                         Vec& p) {
  p = sigmoid(load_some(logits, count));
  const Vec e = hn::Sub(p, load_some(x, count));
  return count == kLanes ? e : hn::IfThenElseZero(hn::FirstN(Tag(), static_cast<size_t>(count)), e);
}

float reconstruction_error(const float* logits, const float* x, int64_t n, float* reconstruction) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kFloatNumbers) {
    Vec sum = zero();
    for (int64_t i = begin; i < std::min(n, begin + kFloatNumbers); i += kLanes) {
      const int64_t count = std::min(kLanes, n - i);
      Vec p;
      const Vec e = reconstruction_difference(logits + i, x + i, count, p);
      sum = hn::MulAdd(e, e, sum);
      if (reconstruction != nullptr) store_some(p, reconstruction + i, count);
    }
    total += static_cast<double>(sum_of(sum));
  }
  return static_cast<float>(total / static_cast<double>(n));
}

/// In scratch a row of the residual, and the last three of them smoothed along the row.
float blurred_error(const float* y, const float* x, int64_t rows, int64_t width, int64_t depth,
                    float* scratch) {
  const int64_t row = width * depth;
  const int64_t pitch = blurred_error_pitch(width, depth);
  float* const residual = scratch;  // between `depth` zeros on either side
  float* const smooth[3] = {scratch + pitch, scratch + 2 * pitch, scratch + 3 * pitch};
  std::fill_n(scratch, 4 * pitch, 0.0f);
  const Vec two = broadcast(2.0f);
  double total = 0;
  // Row r of the smoothed residual, then row r − 1 of the result; one row of zeros behind the last.
  for (int64_t r = 0; r <= rows; ++r) {
    float* const next = smooth[r % 3];
    if (r < rows) {
      for (int64_t i = 0; i < row; i += kLanes) {
        const int64_t count = std::min(kLanes, row - i);
        store_some(hn::Sub(load_some(x + r * row + i, count), load_some(y + r * row + i, count)),
                   residual + depth + i, count);
      }
      for (int64_t i = 0; i < row; i += kLanes) {
        const float* const at = residual + i;
        store_some(hn::MulAdd(two, load(at + depth), hn::Add(load(at), load(at + 2 * depth))),
                   next + i, std::min(kLanes, row - i));
      }
    } else {
      std::fill_n(next, row, 0.0f);
    }
    if (r == 0) continue;
    const float* const middle = smooth[(r + 2) % 3];
    const float* const above = smooth[(r + 1) % 3];
    Vec sum = zero();
    for (int64_t i = 0; i < row; i += kLanes) {
      const int64_t count = std::min(kLanes, row - i);
      const Vec b = hn::MulAdd(two, load_some(middle + i, count),
                               hn::Add(load_some(above + i, count), load_some(next + i, count)));
      sum = hn::MulAdd(b, b, sum);
    }
    total += static_cast<double>(sum_of(sum));
  }
  return static_cast<float>(total / (256.0 * static_cast<double>(rows * row)));
}

float reconstruction_gradient(const float* logits, const float* x, int64_t rows, int64_t row,
                              float scale, float* dlogits, int64_t out_row) {
  const auto n = static_cast<double>(rows * row);
  const Vec one = broadcast(1.0f);
  const Vec factor = broadcast(static_cast<float>(2.0 * static_cast<double>(scale) / n));
  double total = 0;
  for (int64_t y = 0; y < rows; ++y, logits += row, x += row, dlogits += out_row) {
    for (int64_t begin = 0; begin < row; begin += kFloatNumbers) {
      Vec sum = zero();
      for (int64_t i = begin; i < std::min(row, begin + kFloatNumbers); i += kLanes) {
        const int64_t count = std::min(kLanes, row - i);
        Vec p;
        const Vec e = reconstruction_difference(logits + i, x + i, count, p);
        sum = hn::MulAdd(e, e, sum);
        const Vec slope = hn::Mul(p, hn::Sub(one, p));
        store_some(hn::Mul(hn::Mul(e, factor), slope), dlogits + i, count);
      }
      total += static_cast<double>(sum_of(sum));
    }
  }
  return static_cast<float>(total / n);
}

}  // namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
