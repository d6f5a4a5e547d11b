// The loops on AVX-512 in vectors of eight, for few channels. Not those of AVX2: the instruction
// set has twice the registers.
#define ODDITY_VECTORS half
#define ODDITY_LANES 8

#include "core/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels_half.cc"
#include <hwy/foreach_target.h>
// Highway wants the target list first.
#include <hwy/highway.h>

#include "engine/cpu/kernels_table-inl.h"

#if HWY_ONCE
#include "engine/cpu/kernels_dispatch.h"

namespace oddity::cpu::half {
HWY_EXPORT(table);
const Kernels& chosen() { return HWY_DYNAMIC_DISPATCH(table)(); }
}  // namespace oddity::cpu::half
#endif
