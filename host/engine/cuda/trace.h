// Ranges that profilers show (Nsight Systems: the NVTX row). They cost nothing where none listens.
#pragma once

#include <nvtx3/nvToolsExt.h>

namespace oddity::cuda {

/// A named range from here to the end of the scope, in the thread's row.
class TraceRange {
 public:
  explicit TraceRange(const char* name) { nvtxRangePushA(name); }
  ~TraceRange() { nvtxRangePop(); }
  TraceRange(const TraceRange&) = delete;
  TraceRange& operator=(const TraceRange&) = delete;
};

}  // namespace oddity::cuda
