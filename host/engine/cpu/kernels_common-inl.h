// What the loops of every instruction set share. Included once for each (kernels_table-inl.h).
#if defined(ODDITY_KERNELS_COMMON_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ODDITY_KERNELS_COMMON_INL_H_
#undef ODDITY_KERNELS_COMMON_INL_H_
#else
#define ODDITY_KERNELS_COMMON_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/simd.h"
#include "engine/cpu/kernels.h"

#undef ODDITY_REGISTERS
#if (HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86) || HWY_ARCH_ARM_A64
#define ODDITY_REGISTERS 32
#else
#define ODDITY_REGISTERS 16
#endif

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<float, ODDITY_LANES>;
using Vec = hn::Vec<Tag>;

constexpr int64_t kRegisters = ODDITY_REGISTERS;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(Tag()));

HWY_INLINE Vec load(const float* p) { return hn::LoadU(Tag(), p); }
HWY_INLINE void store(Vec v, float* p) { hn::StoreU(v, Tag(), p); }
HWY_INLINE Vec broadcast(float x) { return hn::Set(Tag(), x); }
HWY_INLINE Vec zero() { return hn::Zero(Tag()); }
/// The first `count` ≤ kLanes numbers, the rest of the vector 0; nothing behind them is touched.
HWY_INLINE Vec load_some(const float* p, int64_t count) {
  if (count == kLanes) return load(p);
  float lanes[kLanes] = {};
  std::copy_n(p, count, lanes);
  return load(lanes);
}
HWY_INLINE void store_some(Vec v, float* p, int64_t count) {
  if (count == kLanes) {
    store(v, p);
    return;
  }
  float lanes[kLanes];
  store(v, lanes);
  std::copy_n(lanes, count, p);
}
/// Where a vector of output channels of packed weights (kernels.h) has its input 0, and the floats
/// from input to input.
struct PackedVector {
  int64_t first, row;
};
HWY_INLINE PackedVector packed_vector(int64_t vector, int64_t vectors, int64_t block_inputs) {
  const int64_t block = vector / 2 * 2;
  return {block * kLanes * block_inputs + (vector - block) * kLanes,
          std::min<int64_t>(2, vectors - block) * kLanes};
}
HWY_INLINE float sum_of(Vec v) { return hn::GetLane(hn::SumOfLanes(Tag(), v)); }

}  // namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
