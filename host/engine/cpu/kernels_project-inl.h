// The dense layer from feature maps to a few outputs. Included once for each instruction set
// (kernels_table-inl.h).
#if defined(ODDITY_KERNELS_PROJECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ODDITY_KERNELS_PROJECT_INL_H_
#undef ODDITY_KERNELS_PROJECT_INL_H_
#else
#define ODDITY_KERNELS_PROJECT_INL_H_
#endif

#include "engine/cpu/kernels_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE {

/// Adds the products of pixels [begin, end) to the sums of I images and O outputs from `output` on,
/// which are vectors: lanes are added up at the end. The pixels' own sum comes first, as long
/// float32 sums lose digits.
template <int I, int O>
HWY_INLINE void project_tile(const Projection& p, int64_t begin, int64_t end, const float* in,
                             int64_t output, float* sums) {
  Vec sum[I][O];
  for (auto& row : sum) std::fill_n(row, O, zero());
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const float* const features = in + pixel * p.vectors * kLanes;
    const float* const weights = p.weights + pixel * p.vectors * kLanes * p.outputs;
    for (int64_t vector = 0; vector < p.vectors; ++vector) {
      const auto [first, row] = packed_vector(vector, p.vectors, p.outputs);
      const float* const w = weights + first + output * row;
      Vec x[I];
      ODDITY_UNROLL
      for (int i = 0; i < I; ++i) x[i] = load(features + i * p.in_image + vector * kLanes);
      ODDITY_UNROLL
      for (int o = 0; o < O; ++o) {
        const Vec weight = load(w + o * row);
        ODDITY_UNROLL
        for (int i = 0; i < I; ++i) sum[i][o] = hn::MulAdd(x[i], weight, sum[i][o]);
      }
    }
  }
  ODDITY_UNROLL
  for (int i = 0; i < I; ++i) {
    ODDITY_UNROLL
    for (int o = 0; o < O; ++o) {
      float* const to = sums + (i * p.outputs + output + o) * kLanes;
      store(hn::Add(load(to), sum[i][o]), to);
    }
  }
}

template <int I>
HWY_INLINE void project_outputs(const Projection& p, int64_t begin, int64_t end, const float* in,
                                float* sums) {
  constexpr int kOutputs = kRegisters == 32 ? 4 : 2;
  int64_t output = 0;
  for (; output + kOutputs <= p.outputs; output += kOutputs) {
    project_tile<I, kOutputs>(p, begin, end, in, output, sums);
  }
  for (; output < p.outputs; ++output) project_tile<I, 1>(p, begin, end, in, output, sums);
}

void project(const Projection& p, float* scratch) {
  constexpr int kImages = 4;
  constexpr int64_t kVectors = 16;  // whose weights stay in the first-level cache for all images
  const int64_t at_once = std::max<int64_t>(1, kVectors / p.vectors);
  std::fill_n(scratch, p.images * p.outputs * kLanes, 0.0f);
  for (int64_t begin = 0; begin < p.pixels; begin += at_once) {
    const int64_t end = std::min(p.pixels, begin + at_once);
    int64_t i = 0;
    for (; i + kImages <= p.images; i += kImages) {
      project_outputs<kImages>(p, begin, end, p.in + i * p.in_image,
                               scratch + i * p.outputs * kLanes);
    }
    for (; i < p.images; ++i) {
      project_outputs<1>(p, begin, end, p.in + i * p.in_image, scratch + i * p.outputs * kLanes);
    }
  }
  for (int64_t i = 0; i < p.images; ++i) {
    for (int64_t o = 0; o < p.outputs; ++o) {
      p.out[i * p.out_image + o] = sum_of(load(scratch + (i * p.outputs + o) * kLanes)) +
                                   (p.bias != nullptr ? p.bias[o] : 0.0f);
    }
  }
}

}  // namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
