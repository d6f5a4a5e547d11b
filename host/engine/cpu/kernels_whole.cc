// The loops in vectors as long as each instruction set has them: Highway includes this file again
// for every target.
#define ODDITY_VECTORS whole
#define ODDITY_LANES 16

#include "core/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels_whole.cc"
#include <hwy/foreach_target.h>
// Highway wants the target list first.
#include <hwy/highway.h>

#include "engine/cpu/kernels_table-inl.h"

#if HWY_ONCE
#include "engine/cpu/kernels_dispatch.h"

namespace oddity::cpu::whole {
HWY_EXPORT(table);
const Kernels& chosen() { return HWY_DYNAMIC_DISPATCH(table)(); }
}  // namespace oddity::cpu::whole
#endif
