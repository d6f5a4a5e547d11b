// The two tables that Highway chooses at run time, for kernels.cc.
#pragma once

#include "engine/cpu/kernels.h"

namespace oddity::cpu {
namespace whole {
const Kernels& chosen();
}
namespace half {
const Kernels& chosen();
}
}  // namespace oddity::cpu
