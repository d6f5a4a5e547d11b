// The loops in vectors as long as each instruction set has them.
#define ODDITY_VECTORS whole
#define ODDITY_LANES 16
#include "engine/cpu/kernels_targets-inl.h"
