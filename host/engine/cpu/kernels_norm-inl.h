// Batch normalisation. Included once for each instruction set (kernels_table-inl.h).
#if defined(ODDITY_KERNELS_NORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ODDITY_KERNELS_NORM_INL_H_
#undef ODDITY_KERNELS_NORM_INL_H_
#else
#define ODDITY_KERNELS_NORM_INL_H_
#endif

#include "engine/cpu/kernels_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE {

/// Calls add(position index) for positions [begin, end), four interleaved accumulators each.
/// `term(i, k)` adds position i to accumulator k.
template <typename Term>
HWY_INLINE void four_at_a_time(int64_t begin, int64_t end, Term&& term) {
  int64_t i = begin;
  for (; i + 4 <= end; i += 4) {
    term(i, 0);
    term(i + 1, 1);
    term(i + 2, 2);
    term(i + 3, 3);
  }
  for (; i < end; ++i) term(i, 0);
}

HWY_INLINE Vec sum_of_four(const Vec (&v)[4]) {
  return hn::Add(hn::Add(v[0], v[1]), hn::Add(v[2], v[3]));
}

void channel_sums(const float* a, int64_t n, int64_t vectors, double* sum, double* squares) {
  const int64_t stride = vectors * kLanes;
  for (int64_t c = 0; c < stride; ++c) sum[c] = squares[c] = 0;
  for (int64_t begin = 0; begin < n; begin += kFloatPositions) {
    const int64_t end = std::min(n, begin + kFloatPositions);
    for (int64_t c = 0; c < stride; c += kLanes) {
      const Vec pivot = load(a + begin * stride + c);
      Vec s[4] = {zero(), zero(), zero(), zero()};
      Vec q[4] = {zero(), zero(), zero(), zero()};
      four_at_a_time(begin, end, [&](int64_t i, int k) HWY_ATTR {
        const Vec x = hn::Sub(load(a + i * stride + c), pivot);
        s[k] = hn::Add(s[k], x);
        q[k] = hn::MulAdd(x, x, q[k]);
      });
      float s_lanes[kLanes], q_lanes[kLanes];
      store(sum_of_four(s), s_lanes);
      store(sum_of_four(q), q_lanes);
      const auto count = static_cast<double>(end - begin);
      for (int64_t l = 0; l < kLanes; ++l) {
        const auto p = static_cast<double>(a[begin * stride + c + l]);
        const auto about_pivot = static_cast<double>(s_lanes[l]);
        sum[c + l] += about_pivot + count * p;
        squares[c + l] += static_cast<double>(q_lanes[l]) + 2 * p * about_pivot + count * p * p;
      }
    }
  }
}

void gradient_sums(const float* dy, const float* a, const float* mean, int64_t n, int64_t vectors,
                   double* sum, double* products) {
  const int64_t stride = vectors * kLanes;
  for (int64_t c = 0; c < stride; ++c) sum[c] = products[c] = 0;
  for (int64_t begin = 0; begin < n; begin += kFloatPositions) {
    const int64_t end = std::min(n, begin + kFloatPositions);
    for (int64_t c = 0; c < stride; c += kLanes) {
      const Vec centre = load(mean + c);
      Vec s[4] = {zero(), zero(), zero(), zero()};
      Vec q[4] = {zero(), zero(), zero(), zero()};
      four_at_a_time(begin, end, [&](int64_t i, int k) HWY_ATTR {
        const Vec gradient = load(dy + i * stride + c);
        const Vec x = hn::Sub(load(a + i * stride + c), centre);
        s[k] = hn::Add(s[k], gradient);
        q[k] = hn::MulAdd(gradient, x, q[k]);
      });
      float s_lanes[kLanes], q_lanes[kLanes];
      store(sum_of_four(s), s_lanes);
      store(sum_of_four(q), q_lanes);
      for (int64_t l = 0; l < kLanes; ++l) {
        sum[c + l] += static_cast<double>(s_lanes[l]);
        products[c + l] += static_cast<double>(q_lanes[l]);
      }
    }
  }
}

void affine(const Pixels& out_pixels, const float* a, const float* scale, const float* shift,
            float* out) {
  const int64_t stride = out_pixels.vectors * kLanes;
  for (int64_t row = 0; row < out_pixels.rows; ++row) {
    const float* in_row = a + row * out_pixels.width * stride;
    float* out_row = out + row * out_pixels.row;
    for (int64_t c = 0; c < stride; c += kLanes) {
      const Vec s = load(scale + c);
      const Vec t = load(shift + c);
      for (int64_t x = 0; x < out_pixels.width; ++x) {
        store(hn::MulAdd(load(in_row + x * stride + c), s, t), out_row + x * stride + c);
      }
    }
  }
}

void batch_norm_gradient(const Pixels& out_pixels, const float* dy, const float* a,
                         const Kernels::BatchNormGradient& k, float slope, float* out,
                         float* dbias) {
  const int64_t stride = out_pixels.vectors * kLanes;
  const Vec leak = broadcast(slope);
  for (int64_t row = 0; row < out_pixels.rows; ++row) {
    for (int64_t c = 0; c < stride; c += kLanes) {
      const Vec mean = load(k.mean + c);
      const Vec k1 = load(k.k1 + c);
      const Vec k2 = load(k.k2 + c);
      const Vec k3 = load(k.k3 + c);
      const float* a_row = a + row * out_pixels.width * stride + c;
      const float* dy_row = dy + row * out_pixels.width * stride + c;
      float* out_row = out + row * out_pixels.row + c;
      Vec bias = zero();
      for (int64_t x = 0; x < out_pixels.width; ++x) {
        const Vec activation = load(a_row + x * stride);
        const Vec through_norm = hn::NegMulAdd(k2, hn::Sub(activation, mean),
                                               hn::MulSub(k1, load(dy_row + x * stride), k3));
        const Vec d =
            hn::IfThenElse(hn::Gt(activation, zero()), through_norm, hn::Mul(through_norm, leak));
        bias = hn::Add(bias, d);
        store(d, out_row + x * stride);
      }
      store(hn::Add(load(dbias + c), bias), dbias + c);
    }
  }
}

}  // namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
