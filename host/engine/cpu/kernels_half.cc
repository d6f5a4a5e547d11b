// The loops on AVX-512 in vectors of eight, for few channels. Not those of AVX2: the instruction
// set has twice the registers.
#define ODDITY_VECTORS half
#define ODDITY_LANES 8
#include "engine/cpu/kernels_targets-inl.h"
