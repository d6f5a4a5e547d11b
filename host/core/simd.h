// What files that Highway compiles for every instruction set have in common; to be included before
// Highway.
#pragma once

// The least that is asked of an x86 machine is SSE4.2 (2008): Highway's own fallback has one lane
// under GCC 12. Scalable vectors cannot live in arrays, so Arm machines with SVE use NEON.
#if defined(__x86_64__)
#define HWY_BASELINE_TARGETS HWY_SSE4
#endif
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)

// Loops over register arrays must unroll whole, or the arrays land in memory.
#if defined(__clang__)
#define ODDITY_UNROLL _Pragma("unroll")
#else
#define ODDITY_UNROLL _Pragma("GCC unroll 16")
#endif
