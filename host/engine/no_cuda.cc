// What stands in for the CUDA engine where none is built.
#include "engine/engine.h"

namespace oddity {

std::string why_no_cuda() { return "this build has no CUDA engine"; }

}  // namespace oddity
