// The table of loops for every instruction set, in vectors of at most ODDITY_LANES floats, in the
// namespace ODDITY_VECTORS; whoever defines the two includes this once, and nothing else. Highway
// includes the table again for every target.
#include "core/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels_table-inl.h"
#include <hwy/foreach_target.h>
// Highway wants the target list first.
#include <hwy/highway.h>

#include "engine/cpu/kernels_dispatch.h"
#include "engine/cpu/kernels_table-inl.h"

namespace oddity::cpu::ODDITY_VECTORS {
HWY_EXPORT(table);
const Kernels& chosen() { return HWY_DYNAMIC_DISPATCH(table)(); }
}  // namespace oddity::cpu::ODDITY_VECTORS
