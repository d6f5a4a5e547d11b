// Which table of loops runs here.
#include "engine/cpu/kernels.h"

#include "core/simd.h"

// Highway wants its target list settled first.
#include <hwy/highway.h>

#include <mutex>

#include "core/error.h"
#include "engine/cpu/kernels_dispatch.h"

namespace oddity::cpu {
namespace {

// Highway chooses among the targets that are not disabled; better ones have smaller numbers.
int64_t disabled_for(Simd simd) {
  switch (simd) {
    case Simd::best:
    case Simd::half:
      return 0;
    case Simd::avx2:
      return HWY_AVX2 - 1;
    case Simd::baseline:
      return HWY_STATIC_TARGET - 1;
  }
  return 0;
}

}  // namespace

const Kernels& kernels(Simd simd) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2") == 0) {
    throw DeviceError("this CPU has no SSE4.2, which the CPU engine needs at least");
  }
#endif
  hwy::DisableTargets(disabled_for(simd));
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  const Kernels& chosen = whole::chosen();
  const Kernels& halves = half::chosen();
  hwy::DisableTargets(0);
  if (simd == Simd::avx2 && chosen.lanes != 8) {
    throw DeviceError("this CPU has no AVX2: use its best instruction set, {}", chosen.name);
  }
  if (simd != Simd::half) return chosen;
  if (chosen.lanes != 16) {
    throw DeviceError("this CPU has no AVX-512: use its best instruction set, {}", chosen.name);
  }
  return halves;
}

}  // namespace oddity::cpu
