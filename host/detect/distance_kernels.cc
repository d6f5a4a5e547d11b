// Highway includes this file again for every target.
#include "detect/distance_kernels.h"

#include "core/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "detect/distance_kernels.cc"
#include <hwy/foreach_target.h>
// Highway wants the target list first.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace oddity::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Pairs of rows that are computed together, so that what is loaded serves more than one: their sums
// stay in 8 registers.
constexpr size_t kRowsA = 2;
constexpr size_t kRowsB = 4;
static_assert(kDistanceRows % kRowsA == 0 && kDistanceRows % kRowsB == 0);

/// Sums of squares of one pair.
struct ByteSum {
  using Number = int16_t;
  using Tag = hn::CappedTag<int16_t, kDistanceVector>;
  using Wide = hn::Repartition<int32_t, Tag>;

  HWY_INLINE void clear() {
    even = hn::Zero(Wide());
    odd = hn::Zero(Wide());
  }
  HWY_INLINE void add(hn::Vec<Tag> difference) {
    even = hn::ReorderWidenMulAccumulate(Wide(), difference, difference, even, odd);
  }
  HWY_INLINE double total() const {
    return hn::GetLane(hn::SumOfLanes(Wide(), hn::Add(even, odd)));
  }

  // Some instruction sets add to both, x86 to the first alone.
  hn::Vec<Wide> even, odd;
};

struct FloatSum {
  using Number = float;
  using Tag = hn::CappedTag<float, kDistanceVector>;

  HWY_INLINE void clear() { sum = hn::Zero(Tag()); }
  HWY_INLINE void add(hn::Vec<Tag> difference) { sum = hn::MulAdd(difference, difference, sum); }
  HWY_INLINE double total() const {
    return static_cast<double>(hn::GetLane(hn::SumOfLanes(Tag(), sum)));
  }

  hn::Vec<Tag> sum;
};

template <typename Sum>
HWY_INLINE void add_tile(const typename Sum::Number* HWY_RESTRICT a,
                         const typename Sum::Number* HWY_RESTRICT b, size_t run, double* sums) {
  const typename Sum::Tag tag;
  static_assert(kDistanceVector % hn::MaxLanes(tag) == 0);
  Sum pairs[kRowsA][kRowsB];
  ODDITY_UNROLL for (auto& row : pairs) { ODDITY_UNROLL for (Sum& pair : row) pair.clear(); }
  for (size_t p = 0; p < run; p += hn::MaxLanes(tag)) {
    hn::Vec<typename Sum::Tag> of_b[kRowsB];
    ODDITY_UNROLL for (size_t j = 0; j < kRowsB; ++j) of_b[j] = hn::LoadU(tag, b + j * run + p);
    ODDITY_UNROLL for (size_t i = 0; i < kRowsA; ++i) {
      const auto of_a = hn::LoadU(tag, a + i * run + p);
      ODDITY_UNROLL for (size_t j = 0; j < kRowsB; ++j) pairs[i][j].add(hn::Sub(of_a, of_b[j]));
    }
  }
  ODDITY_UNROLL for (size_t i = 0; i < kRowsA; ++i) {
    ODDITY_UNROLL for (size_t j = 0; j < kRowsB; ++j) {
      sums[i * kDistanceRows + j] += pairs[i][j].total();
    }
  }
}

template <typename Sum>
HWY_INLINE void add_block(const typename Sum::Number* a, const typename Sum::Number* b, size_t run,
                          double* sums) {
  for (size_t i = 0; i < kDistanceRows; i += kRowsA) {
    for (size_t j = 0; j < kDistanceRows; j += kRowsB) {
      add_tile<Sum>(a + i * run, b + j * run, run, sums + i * kDistanceRows + j);
    }
  }
}

void of_bytes(const int16_t* a, const int16_t* b, size_t run, double* sums) {
  add_block<ByteSum>(a, b, run, sums);
}

void of_floats(const float* a, const float* b, size_t run, double* sums) {
  add_block<FloatSum>(a, b, run, sums);
}

const DistanceKernels& distances() {
  static const DistanceKernels kernels{of_bytes, of_floats};
  return kernels;
}

}  // namespace oddity::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace oddity {

HWY_EXPORT(distances);

const DistanceKernels& distance_kernels() { return HWY_DYNAMIC_DISPATCH(distances)(); }

}  // namespace oddity
#endif
